//! Toolchain: builds the control plane's programs once and keeps them.
//!
//! Decides where a program lies, whether it must be built, and what is said while that takes minutes.
//! Does not know how the programs are started.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Command};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::environment;
use crate::process::run;
use crate::program::{Family, Program};

/// The Go modules that pin every version, committed beside this crate.
const MODULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../control-plane");

/// Where programs are built from and kept.
#[derive(Debug, Clone)]
pub struct Toolchain {
    modules: PathBuf,
    cache: PathBuf,
    go: PathBuf,
    assets: Option<PathBuf>,
}

impl Toolchain {
    /// The toolchain of this checkout: `${XDG_CACHE_HOME:-~/.cache}/permit-operator/control-plane`,
    /// and what `KUBEBUILDER_ASSETS` offers.
    pub fn of_checkout() -> Result<Self> {
        Ok(Self {
            modules: PathBuf::from(MODULES),
            cache: environment::cache_dir()?.join("control-plane"),
            go: PathBuf::from("go"),
            assets: environment::assets_dir(),
        })
    }

    /// The path of `program`, built now if it was not before. Blocks, for minutes when it builds.
    pub fn program(&self, program: Program) -> Result<PathBuf> {
        if let Some(asset) = self.asset(program) {
            return Ok(asset);
        }
        let home = self.home(program.family())?;
        let path = home.join(program.name());
        if !path.is_file() {
            self.build_once(program, &home)?;
        }
        Ok(path)
    }

    /// A prebuilt program, if the assets hold all that envtest asks of them.
    fn asset(&self, program: Program) -> Option<PathBuf> {
        let dir = self.assets.as_ref()?;
        let offered = [Program::KubeApiserver, Program::Etcd, Program::Kubectl];
        let is_whole = offered.iter().all(|each| dir.join(each.name()).is_file());
        (is_whole && offered.contains(&program)).then(|| dir.join(program.name()))
    }

    /// The directory of a family's programs: named by what decides their bytes.
    fn home(&self, family: Family) -> Result<PathBuf> {
        let mut hash = Sha256::new();
        for file in ["go.mod", "go.sum"] {
            hash.update(self.read(family, file)?);
        }
        hash.update(family.build_flags().join(" "));
        let name = hex::encode(hash.finalize());
        Ok(self.cache.join(name.get(..16).unwrap_or(&name)))
    }

    fn read(&self, family: Family, file: &str) -> Result<String> {
        let path = self.modules.join(family.module()).join(file);
        fs::read_to_string(&path)
            .with_context(|| format!("read the pinned versions: {}", path.display()))
    }

    /// Builds under a lock, so that two runs neither build twice nor spoil each other.
    fn build_once(&self, program: Program, home: &Path) -> Result<()> {
        fs::create_dir_all(home).with_context(|| format!("create {}", home.display()))?;
        let path = home.join(".lock");
        let lock = File::create(&path).with_context(|| format!("create {}", path.display()))?;
        if let Err(TryLockError::WouldBlock) = lock.try_lock() {
            say(&format!(
                "waiting for another run that builds {} programs",
                program.family().module()
            ));
            lock.lock()
                .with_context(|| format!("lock {}", path.display()))?;
        }
        if home.join(program.name()).is_file() {
            return Ok(());
        }
        self.check_go(program.family())?;
        say(&format!(
            "building {} from source, {} the first time",
            program.name(),
            program.patience()
        ));
        self.build(program, home)
    }

    fn build(&self, program: Program, home: &Path) -> Result<()> {
        let unfinished = home.join(format!(".{}-{}", program.name(), process::id()));
        let mut command = Command::new(&self.go);
        command.current_dir(self.modules.join(program.family().module()));
        command
            .env("GOTOOLCHAIN", "local")
            .env("CGO_ENABLED", "0")
            .env("GOFLAGS", "-mod=readonly");
        command
            .arg("build")
            .args(program.family().build_flags())
            .arg("-o")
            .arg(&unfinished)
            .arg(program.package());
        run(command, None)?
            .ok()
            .with_context(|| format!("build {} with go", program.name()))?;
        let path = home.join(program.name());
        fs::rename(&unfinished, &path).with_context(|| format!("put {} in place", path.display()))
    }

    /// A clear word about a missing or old Go, before its own errors about modules.
    fn check_go(&self, family: Family) -> Result<()> {
        let wanted = self.read(family, "go.mod")?;
        let wanted = wanted
            .lines()
            .find_map(|line| line.strip_prefix("go "))
            .unwrap_or("1.26.0")
            .trim();
        let mut command = Command::new(&self.go);
        command
            .args(["env", "GOVERSION"])
            .env("GOTOOLCHAIN", "local");
        let found = match run(command, None) {
            Ok(output) => output.ok().context("ask go for its version")?,
            Err(_) => bail!(
                "go is not installed: the control plane is built from source, install Go {wanted} or newer"
            ),
        };
        let found = found.trim().trim_start_matches("go");
        if release(found) < release(wanted) {
            bail!(
                "go is too old to build the control plane: install Go {wanted} or newer, found {found}"
            );
        }
        Ok(())
    }
}

/// The numbers of a Go release, in the order of their weight; `1.27rc1` counts as 1.27.
fn release(version: &str) -> (u32, u32, u32) {
    let mut parts = version.split('.').map(|part| {
        let digits: String = part.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap_or(0)
    });
    let mut next = || parts.next().unwrap_or(0);
    (next(), next(), next())
}

/// Tells the person who waits what is going on; a closed terminal is no reason to stop.
fn say(message: &str) {
    let _ = writeln!(io::stderr(), "control plane: {message}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    /// A go that says it is `version`, counts its builds and makes a file.
    fn with_go(version: &str) -> (tempfile::TempDir, Toolchain) {
        let dir = tempfile::tempdir().unwrap();
        for family in ["etcd", "kube"] {
            fs::create_dir_all(dir.path().join(family)).unwrap();
            fs::write(
                dir.path().join(family).join("go.mod"),
                "module x\n\ngo 1.26.0\n",
            )
            .unwrap();
            fs::write(dir.path().join(family).join("go.sum"), "").unwrap();
        }
        let go = dir.path().join("go");
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" = env ]; then echo go{version}; exit; fi\necho built >> {}/builds\n\
             while [ \"$1\" != -o ]; do shift; done\necho program > \"$2\"\n",
            dir.path().display()
        );
        fs::write(&go, script).unwrap();
        fs::set_permissions(&go, fs::Permissions::from_mode(0o755)).unwrap();
        let toolchain = Toolchain {
            modules: dir.path().to_owned(),
            cache: dir.path().join("cache"),
            go,
            assets: None,
        };
        (dir, toolchain)
    }

    #[test]
    fn a_program_is_built_once_and_then_kept() {
        let (dir, toolchain) = with_go("1.26.8");
        let first = toolchain.program(Program::Etcd).unwrap();
        assert_eq!(toolchain.program(Program::Etcd).unwrap(), first);
        assert_eq!(
            fs::read_to_string(dir.path().join("builds")).unwrap(),
            "built\n"
        );
    }

    #[test]
    fn other_pinned_versions_are_other_programs() {
        let (dir, toolchain) = with_go("1.26.8");
        let before = toolchain.program(Program::Etcd).unwrap();
        fs::write(dir.path().join("etcd/go.sum"), "a new line").unwrap();
        assert_ne!(toolchain.program(Program::Etcd).unwrap(), before);
    }

    #[test]
    fn a_missing_go_is_named_with_the_version_to_install() {
        let (_dir, toolchain) = with_go("1.26.8");
        let toolchain = Toolchain {
            go: PathBuf::from("/nonexistent/go"),
            ..toolchain
        };
        let error = toolchain.program(Program::Etcd).unwrap_err().to_string();
        assert!(error.contains("install Go 1.26.0 or newer"), "{error}");
    }

    #[test]
    fn an_old_go_is_refused_before_it_builds() {
        let (dir, toolchain) = with_go("1.9.7");
        let error = toolchain.program(Program::Etcd).unwrap_err().to_string();
        assert!(
            error.contains("too old") && error.contains("found 1.9.7"),
            "{error}"
        );
        assert!(!dir.path().join("builds").exists());
    }

    #[test]
    fn assets_serve_only_when_they_are_whole() {
        let (dir, toolchain) = with_go("1.26.8");
        let toolchain = Toolchain {
            assets: Some(dir.path().join("assets")),
            ..toolchain
        };
        fs::create_dir(dir.path().join("assets")).unwrap();
        fs::write(dir.path().join("assets/etcd"), "").unwrap();
        assert!(
            toolchain
                .program(Program::Etcd)
                .unwrap()
                .starts_with(dir.path().join("cache"))
        );
        fs::write(dir.path().join("assets/kubectl"), "").unwrap();
        fs::write(dir.path().join("assets/kube-apiserver"), "").unwrap();
        assert!(
            toolchain
                .program(Program::Etcd)
                .unwrap()
                .starts_with(dir.path().join("assets"))
        );
        assert!(
            toolchain
                .program(Program::KubeScheduler)
                .unwrap()
                .starts_with(dir.path().join("cache"))
        );
    }
}
