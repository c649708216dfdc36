//! The optional tools that tests use, and the tests that use each.

use super::{AZURE_SERVER, OPENSSL, Place, S3_SERVER, Tool, VALKEY_WITHOUT_TLS};

/// The client of Kubernetes.
pub const KUBECTL: Tool = Tool {
    name: "kubectl",
    advice: "install kubectl 1.27 or newer",
    variable: None,
    place: Place::Programs(&["kubectl"], &["version", "--client", "-o", "json"], is_new_kubectl),
    tests: &[
        ("e2e", &["kubectl::", "phases::"]),
        ("documented", &[""]),
        ("command", &["the_documented_script", "nodes_run"]),
        ("node", USE_KUBECTL),
        ("api", &["texts::"]),
        ("chart", &["migration::"]),
    ],
};
/// Filters JSON; the runbook and the references use it.
pub const JQ: Tool =
    program("jq", &["jq"], "install jq", &[("documented", &["every_"]), ("chart", &["migration::"])]);
/// The Valkey server.
pub const VALKEY_SERVER: Tool =
    program("valkey-server", &["valkey-server"], "install valkey-server", USE_EITHER_SERVER);
/// The Redis server.
pub const REDIS_SERVER: Tool =
    program("redis-server", &["redis-server"], "install redis-server", USE_EITHER_SERVER);
/// The client of Valkey.
pub const VALKEY_CLI: Tool = program(
    "valkey-cli",
    &["valkey-cli"],
    "install valkey-cli (Debian: valkey-tools)",
    &[("e2e", &["servers::command_line"]), ("documented", &["every_"])],
);
/// The client of Redis.
pub const REDIS_CLI: Tool = program(
    "redis-cli",
    &["redis-cli"],
    "install redis-cli (Debian: redis-tools)",
    &[("e2e", &["servers::command_line"])],
);
/// The shell that the commands of the documentation and the scripts are written for.
pub const BASH: Tool = program(
    "bash",
    &["bash"],
    "install bash",
    &[("documented", &["every_"]), ("chart", &["migration::"]), ("docs", &["every_link_of_the_built_book"])],
);
/// The package manager of Kubernetes.
pub const HELM: Tool = Tool {
    name: "helm",
    advice: "install helm, or set HELM to its path",
    variable: Some("HELM"),
    place: Place::Programs(&["helm"], &["version"], any),
    tests: &[("chart", &[""]), ("documented", &["every_"])],
};
/// The browser.
pub const CHROMIUM: Tool =
    program("chromium", &["chromium"], "install chromium", &[("provider", &["browser"])]);
/// Any interpreter of Lua; Argo CD has one of Lua 5.1.
pub const LUA: Tool = Tool {
    place: Place::Programs(&["lua5.1", "lua5.4", "lua"], &["-v"], any),
    ..program("lua5.1", &[], "install lua5.1", &[("e2e", &["phases::on_the_sandbox::the_life_of_a_p"])])
};
/// The library that changes the clock of a process.
pub const FAKETIME: Tool = Tool {
    name: "faketime",
    advice: "install libfaketime (Debian: faketime), or set FAKETIME_LIBRARY to the path of its library",
    variable: Some("FAKETIME_LIBRARY"),
    place: Place::Files(&[
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib64/faketime/libfaketimeMT.so.1",
        "/usr/lib/faketime/libfaketimeMT.so.1",
    ]),
    tests: &[("e2e", &["clocks::"]), ("node", &["faults::clock_of"])],
};
/// Checks rules of Prometheus.
pub const PROMTOOL: Tool = Tool {
    variable: Some("PROMTOOL"),
    ..program(
        "promtool",
        &["promtool"],
        "install promtool (Debian: prometheus), or set PROMTOOL to its path",
        &[("chart", &["monitoring::"])],
    )
};
/// Reads metrics.
pub const PROMETHEUS: Tool = Tool {
    variable: Some("PROMETHEUS"),
    ..program(
        "prometheus",
        &["prometheus"],
        "install prometheus, or set PROMETHEUS to its path",
        &[("e2e", &["monitoring::"])],
    )
};
/// Makes the book.
pub const MDBOOK: Tool = Tool {
    variable: Some("MDBOOK"),
    ..program(
        "mdbook",
        &["mdbook"],
        "install mdbook 0.5, or set MDBOOK to its path",
        &[("docs", &["every_link_of_the_built_book"])],
    )
};
/// Finds mistakes in shell scripts.
pub const SHELLCHECK: Tool =
    program("shellcheck", &["shellcheck"], "install shellcheck", &[("workflows", &["shellcheck"])]);
/// Finds mistakes in workflows.
pub const ACTIONLINT: Tool = Tool {
    place: Place::Programs(&["actionlint"], &["-version"], any),
    ..program("actionlint", &[], "install actionlint", &[("workflows", &["actionlint"])])
};
/// The formatter of Rust, which a minimal toolchain lacks.
pub const RUSTFMT: Tool = program(
    "rustfmt",
    &["rustfmt"],
    "install rustfmt (rustup component add rustfmt)",
    &[("generate", &[""])],
);
/// The library of the recipe for Python.
pub const REDIS_PY: Tool = Tool {
    name: "redis-py",
    advice: "install redis-py, or set RECIPES_PYTHON to the path of a Python that has it",
    variable: Some("RECIPES_PYTHON"),
    place: Place::Programs(&["python3"], &["-c", "import redis"], any),
    tests: &[
        ("e2e", &["servers::recipes"]),
        ("self_hosted", &["sentinel::on_the_sandbox::client_libraries"]),
    ],
};
/// Another library for Python.
pub const VALKEY_GLIDE: Tool = Tool {
    name: "valkey-glide",
    advice: "install valkey-glide, or set RECIPES_PYTHON to the path of a Python that has it",
    variable: Some("RECIPES_PYTHON"),
    place: Place::Programs(&["python3"], &["-c", "import glide"], any),
    tests: &[("self_hosted", &["sentinel::on_the_sandbox::client_libraries"])],
};
/// The library of the recipe for Node.js.
pub const IOREDIS: Tool = Tool {
    name: "ioredis",
    advice: "install ioredis for node, or set NODE_PATH to the folder that has it",
    variable: None,
    place: Place::Programs(&["node"], &["-e", "require('ioredis')"], any),
    tests: &[("e2e", &["servers::recipes"])],
};
/// Another library for Node.js.
pub const NODE_REDIS: Tool = Tool {
    name: "node-redis",
    advice: "install redis for node, or set NODE_PATH to the folder that has it",
    variable: None,
    place: Place::Programs(&["node"], &["-e", "require('redis').createSentinel"], any),
    tests: &[("self_hosted", &["sentinel::on_the_sandbox::client_libraries"])],
};
/// Ends a process together with its parent; only Linux has it.
pub const SETPRIV: Tool = program(
    "setpriv",
    &["setpriv"],
    "install setpriv (Debian: util-linux)",
    &[("command", &["servers_end_with_the_sandbox"])],
);
/// A real API server with its store.
pub const ENVTEST: Tool = Tool {
    name: "envtest",
    advice: "set KUBEBUILDER_ASSETS to a folder with etcd and kube-apiserver",
    variable: Some("KUBEBUILDER_ASSETS"),
    place: Place::Variable,
    tests: &[
        ("api", &["on_a_real_api_server"]),
        ("docs", &["real_api_server"]),
        ("chart", &["install::"]),
        ("servers", &["kubernetes::lease_is_written_by_its_version_on_a_real"]),
        ("node", &["on_a_real_server::"]),
    ],
};

/// Runs programs in namespaces of their own, as any user; works only where the kernel allows it.
pub const UNSHARE: Tool = Tool {
    name: "unshare",
    advice: "install util-linux and iproute2, and allow user namespaces",
    variable: None,
    place: Place::Programs(
        &["unshare"],
        &["--user", "--map-root-user", "--net", "--mount", "ip", "link", "set", "lo", "up"],
        any,
    ),
    tests: &[
        ("node", USE_NAMESPACES),
        (
            "servers",
            &[
                "life::first_process",
                "checked::promises_are_kept_under_a_partition",
                "checked::planned_switchover_over",
            ],
        ),
    ],
};
/// Delays the calls of processes.
pub const STRACE: Tool = Tool {
    place: Place::Programs(&["strace"], &["-V"], any),
    ..program("strace", &[], "install strace", &[("node", &["faults::slow_volume"])])
};

/// All of them.
pub const ALL: &[&Tool] = &[
    &KUBECTL,
    &JQ,
    &VALKEY_SERVER,
    &REDIS_SERVER,
    &VALKEY_CLI,
    &REDIS_CLI,
    &BASH,
    &HELM,
    &CHROMIUM,
    &LUA,
    &FAKETIME,
    &PROMTOOL,
    &PROMETHEUS,
    &MDBOOK,
    &SHELLCHECK,
    &ACTIONLINT,
    &RUSTFMT,
    &REDIS_PY,
    &VALKEY_GLIDE,
    &IOREDIS,
    &NODE_REDIS,
    &OPENSSL,
    &VALKEY_WITHOUT_TLS,
    &SETPRIV,
    &ENVTEST,
    &UNSHARE,
    &STRACE,
    &S3_SERVER,
    &AZURE_SERVER,
];

/// Some of the tests that run with the other server where one is missing.
const USE_EITHER_SERVER: &[(&str, &[&str])] = &[
    ("e2e", &["servers::settings"]),
    ("command", &["services_are_real_servers"]),
    ("servers", &["life::"]),
    ("self_hosted", &["creation::on_the_sandbox"]),
    ("node", &["on_the_embedded_server::three_servers"]),
];

/// All tests that need a server, of whichever kind.
pub const USE_SERVERS: &[(&str, &[&str])] = &[
    ("e2e", &["servers::"]),
    ("documented", &["every_", "what_the_readme_shows"]),
    ("command", &["services_are_real_servers", "servers_end_with", "with_a_state"]),
    ("servers", &[""]),
    ("stores", &[""]),
    ("self_hosted", &["creation::on_the_sandbox"]),
    (
        "node",
        &[
            "on_the_embedded_server::three_servers",
            "on_a_real_server::three_servers",
            "on_the_embedded_server::manager_and_server",
            "on_a_real_server::manager_and_server",
            "on_the_embedded_server::naive",
            "on_a_real_server::naive",
            "isolated::cut",
            "namespaces::delays_and",
            "isolated::services_lead",
            "naive::naive_failover",
        ],
    ),
];

/// The scenarios of nodes in namespaces of their own.
const USE_NAMESPACES: &[&str] = &[
    "isolated::cut",
    "isolated::services_lead",
    "namespaces::partitions_stop",
    "namespaces::delays_and",
    "namespaces::volumes_have",
    "namespaces::pods_reach",
    "namespaces::names_lead",
    "naive::naive_failover",
];

/// The scenarios of nodes that ask `kubectl` as well.
const USE_KUBECTL: &[&str] = &[
    "on_the_embedded_server::api_outage",
    "on_a_real_server::api_outage",
    "on_the_embedded_server::cordoned",
    "on_the_embedded_server::eviction",
    "on_the_embedded_server::pod_runs",
    "on_a_real_server::cordoned",
    "on_a_real_server::eviction",
    "on_a_real_server::pod_runs",
];

const fn program(
    name: &'static str,
    names: &'static [&'static str],
    advice: &'static str,
    tests: &'static [(&'static str, &'static [&'static str])],
) -> Tool {
    Tool { name, advice, variable: None, place: Place::Programs(names, &["--version"], any), tests }
}

fn any(_: &str) -> bool {
    true
}

/// Vendors write the minor version as "32+".
fn is_new_kubectl(version: &str) -> bool {
    let version: serde_json::Value = serde_json::from_str(version).unwrap_or_default();
    let minor = version.pointer("/clientVersion/minor").and_then(serde_json::Value::as_str);
    minor.and_then(|minor| minor.trim_end_matches('+').parse().ok()).is_some_and(|minor: u32| minor >= 27)
}
