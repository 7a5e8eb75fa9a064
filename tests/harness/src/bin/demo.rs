//! The story, told on a real control plane: every step is a real command, and its true outcome is checked.
//!
//! Ends with an error at the first step that goes otherwise. Leaves nothing running.

#[path = "demo/manifests.rs"]
mod manifests;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use permit_harness::operator::install;
use permit_harness::{
    ControlPlane, Example, Operator, OperatorOptions, Options, Output, Prometheus, User, eventually,
};

use manifests::{approval, permit, set_image};

const PATIENCE: Duration = Duration::from_mins(3);
const STAGE: &str = include_str!("demo/stage.yaml");
const TEMPLATE: &str = include_str!("demo/template.yaml");

/// What the story is told with.
struct Story {
    plane: ControlPlane,
    operator: Operator,
    steps: Vec<(String, Duration)>,
}

#[tokio::main]
async fn main() -> Result<()> {
    let began = Instant::now();
    say("demo: building (minutes, the first time) and starting the control plane");
    let plane = ControlPlane::start(Options::default()).await?;
    let admin = User::admin();
    install(&plane).await?;
    plane
        .kubectl(&admin, &["apply", "--server-side", "-f", "-"], Some(STAGE))
        .await?
        .ok()?;
    plane
        .kubectl(
            &admin,
            &[
                "rollout",
                "status",
                "deploy/checkout",
                "-n",
                "shop",
                "--timeout=120s",
            ],
            None,
        )
        .await?
        .ok()?;
    let example = Example::start(&plane, "shop", "checkout").await?;
    let prometheus = Prometheus::start(&[example.target()]).await?;
    let options = OperatorOptions {
        prometheus_url: Some(prometheus.url()),
        ..OperatorOptions::default()
    };
    let operator = Operator::start(&plane, options).await?;
    let mut story = Story {
        plane,
        operator,
        steps: vec![("set the stage".into(), began.elapsed())],
    };
    let told = story.tell().await;
    if told.is_err() {
        say(&format!(
            "the operator's log ends so:\n{}",
            story.operator.log_tail()
        ));
    }
    told?;
    say("\nsummary");
    for (step, took) in &story.steps {
        say(&format!("  {:>6.1} s  {step}", took.as_secs_f64()));
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the story is told on standard output")]
fn say(text: &str) {
    println!("{text}");
}

impl Story {
    #[expect(
        clippy::too_many_lines,
        reason = "the story from its beginning to its end"
    )]
    async fn tell(&mut self) -> Result<()> {
        let (admin, alice, bob) = (User::admin(), User::person("alice"), User::person("bob"));
        self.step("the template is installed, and the namespace is enrolled");
        self.run(
            &admin,
            &["apply", "--server-side", "-f", "-"],
            Some(TEMPLATE),
        )
        .await?
        .ok()?;
        let labels = [
            "label",
            "namespace",
            "shop",
            "permits.dev/gate=enforce",
            "permits.dev/environment=production",
        ];
        self.run(&admin, &labels, None).await?.ok()?;
        self.await_enrolment().await?;

        self.step("a rollout without a permit is denied");
        let denied = self.refused(&alice, &set_image("1.5.0"), None).await?;
        ensure!(
            denied.contains("PermitRequired") && denied.contains("kubectl permit request"),
            "not told what to do: {denied}"
        );

        self.step("alice requests a permit; her own approval is refused; bob approves");
        self.permit(&alice, &bob, "checkout-1", "1.5.0").await?;
        self.step("the same rollout is admitted, watched and closed");
        self.run(&alice, &refs(&set_image("1.5.0")), None)
            .await?
            .ok()?;
        self.reaches(
            "checkout-1",
            "{.status.phase}/{.status.outcome}",
            "Closed/Succeeded",
        )
        .await?;

        self.step("a second permitted change is bad: revoked and rolled back");
        self.permit(&alice, &bob, "checkout-2", "1.6.0").await?;
        self.run(&alice, &refs(&set_image("1.6.0")), None)
            .await?
            .ok()?;
        self.reaches(
            "checkout-2",
            "{.status.phase}/{.status.outcome}",
            "Revoked/RolledBack",
        )
        .await?;
        let image = "{.spec.template.spec.containers[0].image}";
        let show = [
            "get",
            "deploy",
            "checkout",
            "-n",
            "shop",
            "-o",
            &format!("jsonpath={image}"),
        ];
        let image = self.run(&alice, &show, None).await?.ok()?;
        ensure!(
            image.ends_with(":1.5.0"),
            "the former template is not back: {image}"
        );
        self.step("the bad change is denied when it is applied again");
        let denied = self.refused(&alice, &set_image("1.6.0"), None).await?;
        ensure!(
            denied.contains("PermitRevoked"),
            "denied for another reason: {denied}"
        );
        self.show("get", &alice).await?;

        self.step("the record is exported and verified; one byte is changed and found");
        self.verify().await?;
        self.step("the API server's audit log tells the same story");
        self.audited()
    }

    fn step(&mut self, title: &str) {
        say(&format!("\n== {title}"));
        self.steps.push((title.to_owned(), Duration::ZERO));
    }

    /// Runs a real kubectl, shown with its true output; the time counts for the step.
    async fn run(&mut self, user: &User, args: &[&str], stdin: Option<&str>) -> Result<Output> {
        let began = Instant::now();
        say(&format!("[{}] $ kubectl {}", user.name(), args.join(" ")));
        let output = self.plane.kubectl(user, args, stdin).await?;
        say(format!("{}{}", output.stdout, output.stderr).trim_end());
        self.took(began);
        Ok(output)
    }

    fn took(&mut self, began: Instant) {
        if let Some((_, took)) = self.steps.last_mut() {
            *took += began.elapsed();
        }
    }

    async fn refused(
        &mut self,
        user: &User,
        args: &[String],
        stdin: Option<&str>,
    ) -> Result<String> {
        let output = self.run(user, &refs(args), stdin).await?;
        ensure!(!output.is_success(), "this had to be refused");
        Ok(output.stderr)
    }

    async fn await_enrolment(&mut self) -> Result<()> {
        let began = Instant::now();
        let plane = &self.plane;
        let enrolled = || async {
            for what in [
                "secret/permit-facts-shop",
                "configmaps",
                "validatingwebhookconfiguration/gate.permits.dev",
            ] {
                let get = [
                    "get",
                    what,
                    "-n",
                    "permit-system",
                    "-o",
                    "name",
                    "--ignore-not-found",
                    "-l",
                    "",
                ];
                let found = plane
                    .kubectl(&User::admin(), get.get(..6).unwrap_or_default(), None)
                    .await?
                    .ok()?;
                ensure!(
                    what != "configmaps" || found.contains("permit-template-"),
                    "no template revision yet"
                );
            }
            Ok(())
        };
        eventually(PATIENCE, "the namespace is enrolled", enrolled).await?;
        self.took(began);
        Ok(())
    }

    /// A permit for one image: requested, refused to oneself, approved by somebody else, issued.
    async fn permit(&mut self, alice: &User, bob: &User, name: &str, tag: &str) -> Result<()> {
        let apply = ["apply", "-f", "-"].map(str::to_owned);
        self.run(alice, &refs(&apply), Some(&permit(name, tag)))
            .await?
            .ok()?;
        self.reaches(name, "{.status.phase}", "InReview").await?;
        let get = [
            "get",
            "permit",
            name,
            "-n",
            "shop",
            "-o",
            "jsonpath={.status.digest}",
        ];
        let digest = self.run(bob, &get, None).await?.ok()?;
        let own = self
            .refused(alice, &apply, Some(&approval(name, "alice", &digest)))
            .await?;
        ensure!(
            own.contains("SelfApprovalBlocked"),
            "refused for another reason: {own}"
        );
        self.run(bob, &refs(&apply), Some(&approval(name, "bob", &digest)))
            .await?
            .ok()?;
        self.reaches(name, "{.status.phase}", "Issued").await
    }

    async fn reaches(&mut self, permit: &str, path: &str, wanted: &str) -> Result<()> {
        let began = Instant::now();
        let plane = &self.plane;
        let template = format!("jsonpath={path} {{.status.summary.message}}");
        let look = || async {
            let get = ["get", "permit", permit, "-n", "shop", "-o", &template];
            let seen = plane.kubectl(&User::admin(), &get, None).await?.ok()?;
            ensure!(seen.starts_with(wanted), "it is at {seen}");
            Ok(seen)
        };
        let seen = eventually(PATIENCE, &format!("permit {permit} reaches {wanted}"), look).await?;
        say(&format!("permit {permit}: {seen}"));
        self.took(began);
        Ok(())
    }

    async fn show(&mut self, verb: &str, user: &User) -> Result<()> {
        self.run(user, &[verb, "permits", "-n", "shop"], None)
            .await?
            .ok()
            .map(drop)
    }

    async fn verify(&mut self) -> Result<()> {
        let began = Instant::now();
        let file = self.plane.dir().join("export.jsonl");
        let path = file.display().to_string();
        let data = self.operator.data_dir().display().to_string();
        let exported = program(
            "permit-operator",
            &["ledger", "export", "--data-dir", &data, "--output", &path],
        )
        .await?;
        exported.ok()?;
        let whole = program("kubectl-permit", &["audit", "verify", &path]).await?;
        say(whole.stdout.trim_end());
        whole.ok().context("the export does not verify")?;
        let mut bytes = std::fs::read(&file)?;
        let middle = bytes.len() / 2;
        if let Some(byte) = bytes.get_mut(middle) {
            *byte ^= 1;
        }
        std::fs::write(&file, bytes)?;
        let broken = program("kubectl-permit", &["audit", "verify", &path]).await?;
        say(broken.stderr.trim_end());
        ensure!(!broken.is_success(), "a changed byte was not found");
        ensure!(
            broken.stderr.contains("record"),
            "the changed record is not named: {}",
            broken.stderr
        );
        self.took(began);
        Ok(())
    }

    /// Nothing that was told can have been made up: the API server saw it.
    fn audited(&self) -> Result<()> {
        let events = self.plane.audit_events()?;
        let text = |e: &serde_json::Value, path: &str| {
            e.pointer(path)
                .and_then(|v| v.as_str())
                .unwrap_or_default()
                .to_owned()
        };
        let code = |e: &serde_json::Value| {
            e.pointer("/responseStatus/code")
                .and_then(serde_json::Value::as_i64)
        };
        let by = |user: &str, verb: &str, resource: &str, wanted: i64| {
            let fits = |e: &&serde_json::Value| {
                text(e, "/user/username") == user
                    && text(e, "/verb") == verb
                    && text(e, "/objectRef/resource") == resource
                    && code(e) == Some(wanted)
                    && e.pointer("/objectRef/subresource").is_none()
            };
            events.iter().filter(fits).count()
        };
        let operator = "system:serviceaccount:permit-system:permit-operator";
        for (user, verb, resource, wanted, least) in [
            ("alice@example.com", "patch", "deployments", 403, 2),
            ("alice@example.com", "patch", "deployments", 200, 2),
            ("alice@example.com", "create", "approvals", 403, 2),
            ("bob@example.com", "create", "approvals", 201, 2),
            (operator, "patch", "deployments", 200, 1),
            (operator, "create", "approvals", 201, 1),
        ] {
            let found = by(user, verb, resource, wanted);
            ensure!(
                found >= least,
                "{user} {verb} {resource} {wanted}: {found} times, at least {least} were due"
            );
            say(&format!("  {user} {verb} {resource} -> {wanted}: {found}"));
        }
        let refused = events
            .iter()
            .find(|e| text(e, "/user/username") == operator && code(e) == Some(403));
        ensure!(
            refused.is_none(),
            "a request of the operator was refused: {refused:?}"
        );
        Ok(())
    }
}

async fn program(name: &'static str, args: &[&str]) -> Result<Output> {
    let args: Vec<String> = args.iter().map(|a| (*a).to_owned()).collect();
    tokio::task::spawn_blocking(move || {
        let mut command = std::process::Command::new(permit_harness::binary::built(name)?);
        command.args(args);
        permit_harness::process::run(command, None)
    })
    .await?
}

fn refs(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}
