//! Program: what the control plane is made of, and how each program is built from its Go module.
//!
//! Decides packages, flags and names. Does not know where the results are kept, nor whether Go is installed.

/// A program of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Program {
    /// The API server.
    KubeApiserver,
    /// Deployments, ReplicaSets, garbage collection, service accounts.
    KubeControllerManager,
    /// Gives pods a node.
    KubeScheduler,
    /// The command line.
    Kubectl,
    /// The store behind the API server.
    Etcd,
    /// Plays the kubelets' part.
    Kwok,
    /// Measures the example workload.
    Prometheus,
}

/// Programs of one Go module, so that version selection never mixes families.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// k8s.io/kubernetes.
    Kube,
    /// go.etcd.io/etcd.
    Etcd,
    /// sigs.k8s.io/kwok.
    Kwok,
    /// github.com/prometheus/prometheus.
    Prometheus,
}

/// The version that the API server reports. Without it the server says `v0.0.0-master+$Format:%H$`, which is
/// no semantic version and breaks clients that parse it.
const KUBE_LDFLAGS: &str = "-s -w \
    -X k8s.io/component-base/version.gitVersion=v1.36.4 -X k8s.io/component-base/version.gitMajor=1 \
    -X k8s.io/component-base/version.gitMinor=36 -X k8s.io/component-base/version.gitTreeState=clean \
    -X k8s.io/client-go/pkg/version.gitVersion=v1.36.4 -X k8s.io/client-go/pkg/version.gitMajor=1 \
    -X k8s.io/client-go/pkg/version.gitMinor=36 -X k8s.io/client-go/pkg/version.gitTreeState=clean";

impl Program {
    /// Every program that a control plane needs to run; Prometheus is asked for where it is used.
    pub const CONTROL_PLANE: [Self; 6] = [
        Self::Etcd,
        Self::Kwok,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::KubeScheduler,
        Self::Kubectl,
    ];

    /// The file name of the program.
    pub fn name(self) -> &'static str {
        match self {
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kubectl => "kubectl",
            Self::Etcd => "etcd",
            Self::Kwok => "kwok",
            Self::Prometheus => "prometheus",
        }
    }

    /// The module that holds it.
    pub fn family(self) -> Family {
        match self {
            Self::KubeApiserver
            | Self::KubeControllerManager
            | Self::KubeScheduler
            | Self::Kubectl => Family::Kube,
            Self::Etcd => Family::Etcd,
            Self::Kwok => Family::Kwok,
            Self::Prometheus => Family::Prometheus,
        }
    }

    /// The Go package of its main function.
    pub fn package(self) -> &'static str {
        match self {
            Self::KubeApiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
            Self::KubeControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Self::KubeScheduler => "k8s.io/kubernetes/cmd/kube-scheduler",
            Self::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::Kwok => "sigs.k8s.io/kwok/cmd/kwok",
            Self::Prometheus => "github.com/prometheus/prometheus/cmd/prometheus",
        }
    }

    /// How long a first build takes on two cores, in words.
    pub(crate) fn patience(self) -> &'static str {
        match self {
            Self::KubeApiserver => "about 4 minutes",
            Self::Prometheus => "about 3 minutes",
            Self::KubeControllerManager | Self::Etcd | Self::Kwok => "about a minute and a half",
            Self::KubeScheduler | Self::Kubectl => "about half a minute",
        }
    }
}

impl Family {
    /// The module's directory under `tests/control-plane`.
    pub fn module(self) -> &'static str {
        match self {
            Self::Kube => "kube",
            Self::Etcd => "etcd",
            Self::Kwok => "kwok",
            Self::Prometheus => "prometheus",
        }
    }

    /// The flags of `go build` beside the package and the output.
    pub fn build_flags(self) -> Vec<&'static str> {
        match self {
            Self::Kube => vec!["-trimpath", "-ldflags", KUBE_LDFLAGS],
            Self::Etcd | Self::Kwok => vec!["-trimpath", "-ldflags", "-s -w"],
            // Static and file discovery stay; the clouds' clients are most of the build.
            Self::Prometheus => vec!["-trimpath", "-tags", "remove_all_sd", "-ldflags", "-s -w"],
        }
    }
}
