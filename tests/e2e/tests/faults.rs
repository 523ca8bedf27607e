//! Short fault runs; `cargo xtask faults` makes long ones.

#[test]
fn fifteen_rounds_of_kills_leave_nothing_half_done() {
    let seed = u64::from(std::process::id());
    match bulkhead_faults::run(15, seed) {
        Ok(figures) => println!("seed {seed}\n{figures}"),
        Err(error) => panic!("{error:#}"),
    }
}

#[test]
fn ten_rounds_of_kills_among_images_lose_nothing_and_leave_nothing() {
    let seed = u64::from(std::process::id());
    match bulkhead_faults::run_images("overlay", 10, seed) {
        Ok(figures) => println!("seed {seed}\n{figures}"),
        Err(error) => panic!("{error:#}"),
    }
}
