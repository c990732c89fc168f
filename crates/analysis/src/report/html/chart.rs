//! Both arms over time, as pictures that stretch to any width: the words
//! beside them are HTML, so that they stay readable on a phone.

use std::fmt::{self, Write as _};

use judge::judgement::ExposureUnit;
use judge::timeline::{ArmTimeline, Slice, Timeline};

use super::super::words::{share, utc};
use crate::message::{count, span};

/// Columns of a picture at least: a bar of a short log is a bar, not a wall.
const MIN_COLUMNS: usize = 24;

/// Height of a picture in its own units.
const HEIGHT: f64 = 100.0;

/// Part of a column that its bar takes.
const BAR: f64 = 0.8;

/// The least height of a bar that stands for something: one error among
/// thousands must be seen.
const MIN_BAR: f64 = 4.0;

/// An arm, as it is drawn.
struct Drawn<'a> {
    name: &'static str,
    class: &'static str,
    timeline: &'a ArmTimeline,
}

/// What a slice counts, in the unit of the exposure.
#[derive(Clone, Copy)]
struct Counted {
    all: u64,
    failed: u64,
}

impl Counted {
    fn of(slice: &Slice, unit: ExposureUnit) -> Self {
        match unit {
            ExposureUnit::Requests => Self {
                all: slice.requests,
                failed: slice.errors.max(slice.server_errors),
            },
            ExposureUnit::Events | ExposureUnit::None => Self {
                all: slice.events,
                failed: slice.errors,
            },
        }
    }
}

/// A slice beside the arm's busiest one. Errors too: in proportion to traffic,
/// so that arms can be compared, and yet one error in a slice with hardly any
/// traffic is no tower.
#[expect(
    clippy::cast_precision_loss,
    reason = "a bar's height, to a hundredth of the picture"
)]
fn height(number: u64, peak: u64) -> f64 {
    number as f64 / peak.max(1) as f64
}

fn peak(counted: &[Counted]) -> u64 {
    counted.iter().map(|slice| slice.all).max().unwrap_or(0)
}

/// What is counted, in words.
pub(super) fn unit_name(unit: ExposureUnit) -> &'static str {
    match unit {
        ExposureUnit::Requests => "requests",
        ExposureUnit::Events | ExposureUnit::None => "log events",
    }
}

/// Writes both arms; errors on one scale, so that they can be compared.
pub(super) fn write(out: &mut String, timeline: &Timeline, unit: ExposureUnit) -> fmt::Result {
    let arms = [
        Drawn {
            name: "Stable",
            class: "of-stable",
            timeline: &timeline.stable,
        },
        Drawn {
            name: "Canary",
            class: "of-canary",
            timeline: &timeline.canary,
        },
    ];
    let counted = |arm: &Drawn<'_>| -> Vec<Counted> {
        let slices = arm.timeline.slices.iter();
        slices.map(|slice| Counted::of(slice, unit)).collect()
    };
    let most = arms.iter().map(|arm| {
        let counted = counted(arm);
        let failed = counted.iter().map(|slice| slice.failed).max();
        height(failed.unwrap_or(0), peak(&counted))
    });
    let most = most.fold(0.0, f64::max);
    let columns = arms
        .iter()
        .map(|arm| arm.timeline.slices.len())
        .max()
        .unwrap_or_default()
        .max(MIN_COLUMNS);
    out.push_str("<div class=\"arms\">\n");
    for arm in &arms {
        figure(
            out,
            arm,
            &counted(arm),
            &Scale {
                unit,
                timeline,
                most,
                columns,
            },
        )?;
    }
    out.push_str("</div>\n");
    numbers(out, &arms, unit, timeline.slice_ms)
}

/// What both pictures share.
struct Scale<'a> {
    unit: ExposureUnit,
    timeline: &'a Timeline,
    /// The tallest bar of errors of either arm.
    most: f64,
    columns: usize,
}

fn figure(
    out: &mut String,
    arm: &Drawn<'_>,
    counted: &[Counted],
    scale: &Scale<'_>,
) -> fmt::Result {
    let slice_ms = scale.timeline.slice_ms;
    let (all, failed) = counted.iter().fold((0, 0), |(all, failed), slice| {
        (all + slice.all, failed + slice.failed)
    });
    let unit = unit_name(scale.unit);
    let name = arm.name;
    writeln!(
        out,
        "<figure>\n<figcaption><span class=\"dot {}\"></span>{name}</figcaption>",
        arm.class
    )?;
    let Some(start_ms) = arm.timeline.start_ms.filter(|_| !counted.is_empty()) else {
        return out
            .write_str("<p class=\"soft small\">No line of its logs has a time.</p>\n</figure>\n");
    };
    let length_ms = slice_ms.saturating_mul(i64::try_from(counted.len()).unwrap_or(i64::MAX));
    let peak = peak(counted);
    let rate = per_second(peak, slice_ms);
    writeln!(out, "<div class=\"strip\">{unit}, at most {rate}</div>")?;
    let label = format!(
        "{name}: {} {unit} in {}, at most {rate}",
        count(all),
        span(u64::try_from(length_ms / 1_000).unwrap_or_default())
    );
    let heights = counted.iter().map(|slice| height(slice.all, peak));
    bars(out, scale.columns, ("volume", arm.class), &label, heights)?;
    let worst = counted.iter().map(|slice| slice.failed).max().unwrap_or(0);
    let errors = match failed {
        0 => "no errors".to_owned(),
        _ => format!("errors, at most {}", per_second(worst, slice_ms)),
    };
    writeln!(out, "<div class=\"strip\">{errors}</div>")?;
    if scale.most > 0.0 {
        let label = format!("{name}: {errors}, {} in all", count(failed));
        let heights = counted
            .iter()
            .map(|slice| height(slice.failed, peak) / scale.most);
        bars(out, scale.columns, ("errors", "failed"), &label, heights)?;
    }
    // The axis ends where the picture does, not where the log does.
    let columns = i64::try_from(scale.columns).unwrap_or(i64::MAX);
    let end_ms = start_ms.saturating_add(slice_ms.saturating_mul(columns));
    writeln!(
        out,
        "<div class=\"axis\"><span>{}</span><span>{}</span></div>\n</figure>",
        clock(start_ms, true),
        clock(end_ms, false)
    )
}

/// One picture: a bar for each slice, heights between 0 and 1.
fn bars(
    out: &mut String,
    columns: usize,
    (picture, class): (&str, &str),
    label: &str,
    heights: impl Iterator<Item = f64>,
) -> fmt::Result {
    write!(
        out,
        "<svg class=\"{picture}\" viewBox=\"0 0 {columns} {HEIGHT}\" preserveAspectRatio=\"none\" \
         role=\"img\" aria-label=\"{label}\"><path class=\"{class}\" d=\""
    )?;
    for (column, height) in heights.enumerate() {
        if height > 0.0 {
            let top = HEIGHT - (height.min(1.0) * HEIGHT).max(MIN_BAR);
            write!(out, "M{column} {HEIGHT}V{top:.1}h{BAR}V{HEIGHT}z")?;
        }
    }
    out.write_str("\"/></svg>\n")
}

/// The same as numbers, for who cannot see the pictures or wants them exact.
fn numbers(out: &mut String, arms: &[Drawn<'_>], unit: ExposureUnit, slice_ms: i64) -> fmt::Result {
    writeln!(
        out,
        "<details><summary>The numbers behind the pictures</summary>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Numbers over time\"><table>\n\
         <thead><tr><th scope=\"col\">Version</th><th scope=\"col\">From</th>\
         <th scope=\"col\" class=\"right\">{}</th><th scope=\"col\" class=\"right\">Errors</th>\
         <th scope=\"col\" class=\"right\">Share</th></tr></thead>\n<tbody>",
        super::capitalised(unit_name(unit))
    )?;
    for arm in arms {
        let Some(mut from_ms) = arm.timeline.start_ms else {
            continue;
        };
        for slice in &arm.timeline.slices {
            let Counted { all, failed } = Counted::of(slice, unit);
            writeln!(
                out,
                "<tr><td>{}</td><td class=\"num\">{}</td><td class=\"right\">{}</td>\
                 <td class=\"right\">{}</td><td class=\"right\">{}</td></tr>",
                arm.name,
                clock(from_ms, false),
                count(all),
                count(failed),
                share(failed, all.max(failed))
            )?;
            from_ms = from_ms.saturating_add(slice_ms);
        }
    }
    out.write_str("</tbody></table></div></details>\n")
}

fn per_second(number: u64, slice_ms: i64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
    let rate = number as f64 * 1_000.0 / slice_ms.max(1) as f64;
    if rate >= 10.0 {
        format!("{rate:.0} per second")
    } else if rate >= 0.1 {
        format!("{rate:.1} per second")
    } else {
        format!("{:.1} per hour", rate * 3_600.0)
    }
}

/// `2026-11-22 02:42:49 UTC`, or the time alone.
fn clock(ms: i64, with_day: bool) -> String {
    let Some(time) = utc(Some(ms)) else {
        return "-".to_owned();
    };
    if with_day {
        time.strftime("%F %T UTC").to_string()
    } else {
        time.strftime("%T").to_string()
    }
}
