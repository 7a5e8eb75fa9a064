//! Metrics: every exported figure, its name and its labels.
//!
//! Labels come from closed sets only: no names of users, permits or pods. Counts nothing itself and decides nothing.

use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};

/// Admission answers in microseconds when it needs no live read, and within the deadline of 3 s in any case.
const GATE_BUCKETS: [f64; 12] = [
    0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.25, 1.0, 3.0,
];
const RECONCILE_BUCKETS: [f64; 9] = [0.000_1, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// The registry and all figures in it. Cloning shares them.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    process: Registry,
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
    /// Repairs of our webhook configurations by configuration.
    pub configuration_repairs: IntCounterVec,
}

impl Metrics {
    /// All figures, at zero.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new_custom(Some("permit".to_owned()), None)?;
        let process = Registry::new();
        // The registry's prefix would turn its standard names into `permit_process_…`.
        process.register(Box::new(ProcessCollector::for_self()))?;
        Self::of(registry, process)
    }

    fn of(registry: Registry, process: Registry) -> Result<Self, prometheus::Error> {
        let make = Make(&registry);
        make.build_info()?;
        Ok(Self {
            permits: make.gauges("permits", "permits by phase and level", &["phase", "level"])?,
            transitions: make.counters(
                "transitions_total",
                "transitions of permits",
                &["from", "to", "level"],
            )?,
            gate_decisions: make.counters(
                "gate_decisions_total",
                "gate answers",
                &["decision", "reason", "mode"],
            )?,
            gate_decision_duration: make.histogram(
                "gate_decision_duration_seconds",
                "gate time",
                &GATE_BUCKETS,
            )?,
            gate_errors: make.counter(
                "gate_errors_total",
                "reviews denied because they could not be judged",
            )?,
            handover_lost: make.counter(
                "handover_lost_total",
                "admitted changes that were not handed over",
            )?,
            guard_breaches: make.counters(
                "guard_breaches_total",
                "breaches of a check",
                &["signal"],
            )?,
            rollbacks: make.counters("rollbacks_total", "rollbacks", &["result"])?,
            audit_records: make.counter("audit_records_total", "records written to the ledger")?,
            metrics_query_errors: make.counters(
                "metrics_query_errors_total",
                "failed queries",
                &["source"],
            )?,
            reconcile_duration: make.histogram(
                "reconcile_duration_seconds",
                "reconcile time",
                &RECONCILE_BUCKETS,
            )?,
            reconcile_errors: make.counters(
                "reconcile_errors_total",
                "failed reconciliations",
                &["reason"],
            )?,
            leader: make.leader()?,
            certificate_expiry: make.certificate_expiry()?,
            configuration_repairs: make.counters(
                "webhook_configuration_repairs_total",
                "repairs of the operator's webhook configurations",
                &["configuration"],
            )?,
            registry,
            process,
        })
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

struct Make<'a>(&'a Registry);

impl Make<'_> {
    fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        let counter = IntCounter::new(name, help)?;
        self.0.register(Box::new(counter.clone()))?;
        Ok(counter)
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(counters.clone()))?;
        Ok(counters)
    }

    fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        let gauges = IntGaugeVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(gauges.clone()))?;
        Ok(gauges)
    }

    fn histogram(
        &self,
        name: &str,
        help: &str,
        buckets: &[f64],
    ) -> Result<Histogram, prometheus::Error> {
        let histogram =
            Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?;
        self.0.register(Box::new(histogram.clone()))?;
        Ok(histogram)
    }

    fn leader(&self) -> Result<IntGauge, prometheus::Error> {
        let leader = IntGauge::new("leader", "1 while this process leads")?;
        self.0.register(Box::new(leader.clone()))?;
        Ok(leader)
    }

    fn certificate_expiry(&self) -> Result<Gauge, prometheus::Error> {
        let expiry = Gauge::new(
            "webhook_certificate_expiry_timestamp_seconds",
            "expiry of the serving certificate",
        )?;
        self.0.register(Box::new(expiry.clone()))?;
        Ok(expiry)
    }

    fn build_info(&self) -> Result<(), prometheus::Error> {
        let info = GaugeVec::new(
            Opts::new("operator_build_info", "the running version"),
            &["version"],
        )?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION")])
            .set(1.0);
        self.0.register(Box::new(info))
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
