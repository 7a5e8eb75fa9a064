//! Metrics: every exported figure, its name and its labels.
//!
//! Labels come from closed sets only: no names of users, permits or pods. Counts nothing itself and decides nothing.

use std::cell::RefCell;

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

/// What every figure's name begins with.
const PREFIX: &str = "permit";
/// Admission answers in microseconds when it needs no live read, and within the deadline of 3 s in any case.
const GATE_BUCKETS: [f64; 12] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 3.0,
];
const RECONCILE_BUCKETS: [f64; 9] = [0.000_1, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Name without prefix, what it says, labels.
type Named = (&'static str, &'static str, &'static [&'static str]);

const PERMITS: Named = ("permits", "permits by phase and level", &["phase", "level"]);
const TRANSITIONS: Named = (
    "transitions_total",
    "transitions of permits",
    &["from", "to", "level"],
);
const GATE_DECISIONS: Named = (
    "gate_decisions_total",
    "answers of the gate",
    &["decision", "reason", "mode"],
);
const GATE_DURATION: Named = (
    "gate_decision_duration_seconds",
    "time that one answer of the gate took",
    &[],
);
const GATE_ERRORS: Named = ("gate_errors_total", "reviews that could not be judged", &[]);
const HANDOVER_LOST: Named = (
    "handover_lost_total",
    "admitted changes whose executor did not reach the controller",
    &[],
);
const GUARD_BREACHES: Named = ("guard_breaches_total", "revocations by reason", &["reason"]);
const ROLLBACKS: Named = ("rollbacks_total", "rollbacks by result", &["result"]);
const AUDIT_RECORDS: Named = (
    "audit_records_total",
    "records that this process wrote to the ledger",
    &[],
);
const QUERY_ERRORS: Named = (
    "metrics_query_errors_total",
    "questions to Prometheus that were not answered",
    &["reason"],
);
const RECONCILE_DURATION: Named = (
    "reconcile_duration_seconds",
    "time that one look at a permit took",
    &[],
);
const RECONCILE_ERRORS: Named = (
    "reconcile_errors_total",
    "looks at a permit that failed",
    &["reason"],
);
const UNPERMITTED: Named = (
    "unpermitted_changes_total",
    "changes that were found and that nobody permitted",
    &["kind"],
);
const UNPERMITTED_STANDING: Named = (
    "unpermitted_changes",
    "changes that stand and that nobody permitted",
    &["kind"],
);
const REPAIRS: Named = (
    "configuration_repairs_total",
    "repairs of the operator's own webhook configurations, policies and bindings",
    &["configuration"],
);
const UNREADABLE: Named = (
    "unreadable",
    "templates, and permit-config, that cannot be read at present",
    &["what"],
);

/// The registry and all figures in it. Cloning shares them.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    process: Registry,
    figures: Vec<Figure>,
    /// Permits by phase and level.
    pub permits: IntGaugeVec,
    /// Transitions by phase before, phase after and level.
    pub transitions: IntCounterVec,
    /// Answers of the gate by decision, reason and mode.
    pub gate_decisions: IntCounterVec,
    /// Time that the gate took.
    pub gate_decision_duration: Histogram,
    /// Reviews that could not be judged and were therefore denied.
    pub gate_errors: IntCounter,
    /// Admitted changes whose executor did not reach the controller.
    pub handover_lost: IntCounter,
    /// Breaches by signal.
    pub guard_breaches: IntCounterVec,
    /// Rollbacks by result.
    pub rollbacks: IntCounterVec,
    /// Records in the ledger that this process wrote.
    pub audit_records: IntCounter,
    /// Failed queries by source.
    pub metrics_query_errors: IntCounterVec,
    /// Time of one reconciliation.
    pub reconcile_duration: Histogram,
    /// Failed reconciliations by reason.
    pub reconcile_errors: IntCounterVec,
    /// 1 while this process leads.
    pub leader: IntGauge,
    /// When the serving certificate expires, in seconds since 1970.
    pub certificate_expiry: Gauge,
    /// Unpermitted changes that were found, by kind.
    pub unpermitted_changes: IntCounterVec,
    /// Unpermitted changes that stand now, by kind.
    pub unpermitted_standing: IntGaugeVec,
    /// Repairs of what is the operator's own in the cluster, by kind.
    pub configuration_repairs: IntCounterVec,
    /// What cannot be read at present: `configuration` or `template`.
    pub unreadable: IntGaugeVec,
}

impl Metrics {
    /// All figures, at zero.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new_custom(Some(PREFIX.to_owned()), None)?;
        let process = Registry::new();
        // The registry's prefix would turn its standard names into `permit_process_…`.
        process.register(Box::new(ProcessCollector::for_self()))?;
        Self::of(&registry, process)
    }

    fn of(registry: &Registry, process: Registry) -> Result<Self, prometheus::Error> {
        let make = Make {
            registry,
            figures: RefCell::default(),
        };
        make.build_info()?;
        let mut all = Self {
            permits: make.gauges(PERMITS)?,
            transitions: make.counters(TRANSITIONS)?,
            gate_decisions: make.counters(GATE_DECISIONS)?,
            gate_decision_duration: make.histogram(GATE_DURATION, &GATE_BUCKETS)?,
            gate_errors: make.counter(GATE_ERRORS)?,
            handover_lost: make.counter(HANDOVER_LOST)?,
            guard_breaches: make.counters(GUARD_BREACHES)?,
            rollbacks: make.counters(ROLLBACKS)?,
            audit_records: make.counter(AUDIT_RECORDS)?,
            metrics_query_errors: make.counters(QUERY_ERRORS)?,
            reconcile_duration: make.histogram(RECONCILE_DURATION, &RECONCILE_BUCKETS)?,
            reconcile_errors: make.counters(RECONCILE_ERRORS)?,
            leader: make.leader()?,
            certificate_expiry: make.certificate_expiry()?,
            unpermitted_changes: make.counters(UNPERMITTED)?,
            unpermitted_standing: make.gauges(UNPERMITTED_STANDING)?,
            configuration_repairs: make.counters(REPAIRS)?,
            unreadable: make.gauges(UNREADABLE)?,
            figures: Vec::new(),
            registry: registry.clone(),
            process,
        };
        all.figures = make.figures.into_inner();
        Ok(all)
    }

    /// Every figure of ours, those of the process left out.
    pub fn figures(&self) -> &[Figure] {
        &self.figures
    }

    /// Everything in the text format of Prometheus.
    pub fn render(&self) -> Result<String, prometheus::Error> {
        let mut families = self.registry.gather();
        families.extend(self.process.gather());
        let mut text = Vec::new();
        TextEncoder::new().encode(&families, &mut text)?;
        String::from_utf8(text).map_err(|e| prometheus::Error::Msg(e.to_string()))
    }
}

/// What a figure is, for the reference.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Figure {
    /// Its name, prefix included. Example: `permit_gate_decisions_total`.
    pub name: String,
    /// The names of its labels.
    pub labels: Vec<String>,
    /// What it says.
    pub help: String,
}

struct Make<'a> {
    registry: &'a Registry,
    figures: RefCell<Vec<Figure>>,
}

impl Make<'_> {
    fn counter(&self, (name, help, _): Named) -> Result<IntCounter, prometheus::Error> {
        self.registered(IntCounter::new(name, help)?)
    }

    fn counters(&self, (name, help, labels): Named) -> Result<IntCounterVec, prometheus::Error> {
        self.registered(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    fn gauges(&self, (name, help, labels): Named) -> Result<IntGaugeVec, prometheus::Error> {
        self.registered(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    fn histogram(
        &self,
        (name, help, _): Named,
        buckets: &[f64],
    ) -> Result<Histogram, prometheus::Error> {
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.registered(Histogram::with_opts(options)?)
    }

    fn leader(&self) -> Result<IntGauge, prometheus::Error> {
        self.registered(IntGauge::new("leader", "1 while this process leads")?)
    }

    fn certificate_expiry(&self) -> Result<Gauge, prometheus::Error> {
        self.registered(Gauge::new(
            "webhook_certificate_expiry_timestamp_seconds",
            "expiry of the serving certificate",
        )?)
    }

    fn build_info(&self) -> Result<(), prometheus::Error> {
        let info = GaugeVec::new(
            Opts::new("operator_build_info", "the running version"),
            &["version"],
        )?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1.0);
        self.registered(info).map(drop)
    }

    fn registered<C: Collector + Clone + 'static>(
        &self,
        figure: C,
    ) -> Result<C, prometheus::Error> {
        let described = figure.desc().into_iter().map(|d| Figure {
            name: format!("{PREFIX}_{}", d.fq_name),
            labels: d.variable_labels.clone(),
            help: d.help.clone(),
        });
        self.figures.borrow_mut().extend(described);
        self.registry.register(Box::new(figure.clone()))?;
        Ok(figure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_figures_carry_the_prefix_and_those_of_the_process_do_not() {
        let metrics = Metrics::new().unwrap();
        metrics
            .gate_decisions
            .with_label_values(&["deny", "PermitRequired", "enforce"])
            .inc();
        let text = metrics.render().unwrap();
        let deny = r#"permit_gate_decisions_total{decision="deny",mode="enforce",reason="PermitRequired"} 1"#;
        assert!(text.contains(deny), "{text}");
        assert!(text.contains(r#"permit_operator_build_info{version=""#));
        assert!(text.contains("permit_webhook_certificate_expiry_timestamp_seconds 0"));
        assert!(text.contains("\nprocess_resident_memory_bytes "));
        assert!(!text.contains("permit_process"));
    }
}
