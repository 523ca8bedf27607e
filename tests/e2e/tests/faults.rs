//! A short fault run; `cargo xtask faults` makes long ones.

#[test]
fn fifteen_rounds_of_kills_leave_nothing_half_done() {
    let seed = u64::from(std::process::id());
    match bulkhead_faults::run(15, seed) {
        Ok(figures) => println!("seed {seed}\n{figures}"),
        Err(error) => panic!("{error:#}"),
    }
}
