//! A drawing of how each cost grows with the number of resources: one line per cost, both axes
//! logarithmic, each line relative to its own value at the smallest number.

use super::report::Report;
use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 240.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
const COLOURS: [&str; 6] = ["#1b6ca8", "#d1495b", "#2e8b57", "#b8860b", "#6a4c93", "#555555"];

struct Line {
    name: &'static str,
    values: Vec<f64>,
}

/// The drawing as SVG.
pub(crate) fn draw(reports: &[Report]) -> String {
    let mut lines = lines(reports);
    // What was not measured is no line at the bottom.
    lines.retain(|line| line.values.iter().any(|value| *value > 0.0));
    #[allow(clippy::cast_precision_loss, reason = "far below the limit")]
    let counts: Vec<f64> = reports.iter().map(|report| report.resources.max(1) as f64).collect();
    let (first, last) = (counts.first().copied().unwrap_or(1.0), counts.last().copied().unwrap_or(10.0));
    let decades = (last / first).log10().max(1.0);
    let across = |count: f64| LEFT + (count / first).log10() / decades * (WIDTH - LEFT - RIGHT);
    let down = |factor: f64| HEIGHT - BOTTOM - factor.max(1.0).log10() / decades * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n<text x=\"{LEFT}\" y=\"20\" font-size=\"14\">Growth of each cost, relative to its value at {first}</text>\n"
    );
    for count in &counts {
        let x = across(*count);
        let bottom = HEIGHT - BOTTOM;
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.1}\" y1=\"{TOP}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"#ddd\"/><text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{count}</text>",
            bottom + 18.0
        );
    }
    let mut factor: f64 = 1.0;
    while factor.log10() <= decades + 0.01 {
        let (y, right) = (down(factor), WIDTH - RIGHT);
        let _ = writeln!(
            svg,
            "<line x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\" stroke=\"#ddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{factor}×</text>",
            LEFT - 6.0,
            y + 4.0
        );
        factor *= 10.0;
    }
    for (index, line) in lines.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let base = line.values.iter().copied().find(|value| *value > 0.0).unwrap_or(1.0);
        let points: Vec<String> = counts
            .iter()
            .zip(&line.values)
            .map(|(count, value)| format!("{:.1},{:.1}", across(*count), down(value / base)))
            .collect();
        #[allow(clippy::cast_precision_loss, reason = "a handful of lines")]
        let y = TOP + 12.0 + 22.0 * index as f64;
        let x = WIDTH - RIGHT + 14.0;
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/><line x1=\"{x}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-width=\"3\"/><text x=\"{:.1}\" y=\"{y:.1}\">{}</text>",
            points.join(" "),
            y - 4.0,
            x + 18.0,
            y - 4.0,
            x + 24.0,
            line.name
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn lines(reports: &[Report]) -> Vec<Line> {
    let line =
        |name, value: &dyn Fn(&Report) -> f64| Line { name, values: reports.iter().map(value).collect() };
    vec![
        line("the number of resources", &|report| {
            #[allow(clippy::cast_precision_loss, reason = "far below the limit")]
            let resources = report.resources as f64;
            resources
        }),
        line("time to all Secrets", &|report| report.create.seconds_to_all_secrets),
        line("peak RSS", &|report| report.create.peak_rss_megabytes),
        line("idle RSS", &|report| report.idle.as_ref().map_or(0.0, |idle| idle.rss_megabytes)),
        line("provider calls per minute, idle", &|report| {
            report.idle.as_ref().map_or(0.0, |idle| idle.provider_calls_per_minute)
        }),
        line("edit to first call, p99", &|report| {
            report.edits.get("idle").map_or(0.0, |edits| edits.p99_milliseconds)
        }),
    ]
}
