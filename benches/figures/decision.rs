//! Decision: one pure decision about a covered change, with a thousand and with a hundred thousand permits known.
//!
//! Decides what belongs to a decision: finding the permits that name the workload, and judging. Reads and parsing
//! come before it.

use anyhow::{Context, Result, ensure};
use permit_harness::allocations;
use permit_operator::domain::gate::{GateWorld, gate};

use crate::canned::Canned;
use crate::fixture::{NAMESPACE, WORKLOAD, covered};
use crate::machine::as_f64;
use crate::measure::{Samples, Warm, WarmUp};
use crate::report::Report;

const KEY: &str = "Deployment/checkout";
const FEW: usize = 1_000;
const MANY: usize = 100_000;
const LAPS: usize = 20_000;
/// A lookup that reads every permit would take minutes for as many laps.
const LAPS_OF_SLOW: usize = 300;
const SLOW_US: f64 = 1_000.0;

/// Measures the figures of issue 3, first line.
pub(crate) async fn measure(report: &mut Report, warm_up: WarmUp) -> Result<()> {
    let few = one(report, warm_up, FEW).await?;
    let many = one(report, warm_up, MANY).await?;
    report.figure("decision-flat-p99-100k-to-1k", (many / few, "times"), 1.5);
    report.note(
        "decision",
        format!(
            "`Caches::permits_naming` for the workload, then `domain::gate::gate` over a world with the one candidate \
             (one approval, images named, a Deployment of 3.6 KB): the whole judgement, admitted at its end. The caches \
             are the operator's own, filled by its own watches with {FEW} and {MANY} permits in 51 namespaces from \
             canned answers. Not inside: parsing of the review, building the world from caches and live reads. \
             Allocations are the calling thread's, by a counting allocator."
        ),
    );
    Ok(())
}

/// Measures with so many permits; returns the p99.
async fn one(report: &mut Report, warm_up: WarmUp, count: usize) -> Result<f64> {
    let canned = Canned::filled(count).await?;
    let find = || canned.caches.permits_naming(NAMESPACE, KEY);
    let found = find();
    let permit = found.first().context("the caches do not know the permit")?;
    ensure!(found.len() == 1, "{} permits name {WORKLOAD}", found.len());
    let permit = permit.asking().context("the permit cannot be read")?;
    let world = covered(&permit)?;
    let decision = gate(&world);
    ensure!(decision.judged.admits, "not admitted: {}", decision.message);
    let whole = || (find(), gate(&world));
    let label = if count == FEW { "1k" } else { "100k" };
    let warm = warm_up.of(whole);
    let laps = laps(&warm, whole);
    let samples = Samples::take(&warm, laps, whole);
    report.raw(&format!("decision-{label}"), &samples);
    report.raw(
        &format!("decision-{label}, finding only"),
        &Samples::take(&warm, laps, find),
    );
    report.raw(
        &format!("decision-{label}, judging only"),
        &Samples::take(&warm, LAPS, || gate(&world)),
    );
    report.figure(
        &format!("decision-{label}-p50"),
        (samples.percentile(50), "us"),
        1.0,
    );
    report.figure(
        &format!("decision-{label}-p99"),
        (samples.percentile(99), "us"),
        5.0,
    );
    allocations_of(report, label, (&find, &world));
    Ok(samples.percentile(99))
}

/// So many laps as end in seconds.
fn laps<T>(warm: &Warm, call: impl FnMut() -> T) -> usize {
    let tried = Samples::take(warm, 5, call).percentile(50);
    if tried > SLOW_US { LAPS_OF_SLOW } else { LAPS }
}

fn allocations_of<T>(
    report: &mut Report,
    label: &str,
    (find, world): (&impl Fn() -> T, &GateWorld),
) {
    let before = allocations::so_far();
    let found = find();
    let between = allocations::so_far();
    let decision = gate(world);
    let after = allocations::so_far();
    drop((found, decision));
    report.raw_line(format!(
        "decision-{label}: {} allocations to find, {} to judge",
        between - before,
        after - between
    ));
    report.figure(
        &format!("decision-{label}-allocations"),
        (as_f64(after - before), "count"),
        0.0,
    );
}
