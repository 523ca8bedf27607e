//! Aligned columns; the first row is what the others are compared with.

use std::time::Duration;

use crate::measure::Series;

pub(crate) fn print(series: &[Series]) {
    let base = series.first().map(Series::median).unwrap_or_default();
    println!(
        "{:<34} {:>9} {:>9} {:>9} {:>7}",
        "", "min ms", "median", "cpu", "ratio"
    );
    for one in series {
        let ratio = one.median().as_secs_f64() / base.as_secs_f64().max(f64::EPSILON);
        println!(
            "{:<34} {:>9} {:>9} {:>9} {:>6.2}x",
            one.name,
            milliseconds(one.min()),
            milliseconds(one.median()),
            milliseconds(one.cpu_per_run()),
            ratio
        );
    }
    let runs = series.first().map_or(0, |one| one.walls.len());
    println!(
        "{runs} runs each, in turns; cpu per run with the daemon's; ratio of medians to the first line"
    );
}

fn milliseconds(duration: Duration) -> String {
    let milliseconds = duration.as_secs_f64() * 1e3;
    match milliseconds {
        ..10.0 => format!("{milliseconds:.2}"),
        _ => format!("{milliseconds:.1}"),
    }
}
