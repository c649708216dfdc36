//! The page itself: services with their actions, tokens, trouble, and the request log. Every part that changes by
//! itself is marked, so that the script can renew it without touching an input in use.

use super::Fields;
use super::html::{encode, escape, query};
use crate::provider::catalogue::Plan;
use crate::provider::clock::seconds;
use crate::provider::handle::ProviderHandle;
use crate::provider::log::RequestRecord;
use crate::provider::service::Service;
use std::fmt::Write as _;
use std::sync::Arc;

/// Requests the page shows.
const REQUESTS_SHOWN: usize = 60;

/// Ways to fail, by name and description.
const FAILURES: [(&str, &str); 9] = [
    ("error", "error 500"),
    ("unavailable", "503 from a proxy"),
    ("bad-gateway", "502 from a proxy"),
    ("not-found-page", "404 from a proxy"),
    ("no-project", "404 of the project"),
    ("throttle", "too many requests (429)"),
    ("lost", "done, but the answer is lost"),
    ("hang", "no answer at all"),
    ("late", "done after the client left"),
];

/// The whole page.
pub(super) fn render(handle: &ProviderHandle, query: &Fields) -> String {
    let told = query.get("told").map(String::as_str).unwrap_or_default();
    let writes_only = query.contains_key("changes");
    let mut page = String::from(HEAD);
    // Writing to a text cannot fail, here as below.
    let _ =
        write!(page, "<p id=\"told\" role=\"status\" aria-live=\"polite\">{}</p>\n<main>\n", escape(told));
    services(&mut page, handle);
    access(&mut page, handle);
    trouble(&mut page, handle);
    requests(&mut page, handle, writes_only);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

const HEAD: &str = r##"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Provider console - valkeeper sandbox</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/console/style.css">
<script src="/console/script.js" defer></script>
</head>
<body>
<a class="skip" href="#services">Skip to the services</a>
<header>
<h1>Provider console</h1>
<p>The cloud's side of the sandbox. What you do here happens behind the operator's back: watch it notice with
<code>kubectl get events --watch</code>.</p>
</header>
"##;

fn services(page: &mut String, handle: &ProviderHandle) {
    let (projects, plans) = {
        let world = handle.shared.world();
        let content = |(name, project): (&String, &crate::provider::project::Project)| {
            (name.clone(), project.services.values().cloned().collect::<Vec<Arc<Service>>>())
        };
        (world.projects.iter().map(content).collect::<Vec<_>>(), world.plans.clone())
    };
    page.push_str("<section id=\"services\" aria-labelledby=\"services-title\">\n<h2 id=\"services-title\">Services</h2>\n");
    for (project, services) in &projects {
        let _ = writeln!(page, "<h3>{}</h3>\n<div class=\"cards\" data-list=\"{0}\">", escape(project));
        for each in services {
            service(page, each, &plans);
        }
        page.push_str("</div>\n");
        if services.is_empty() {
            page.push_str("<p class=\"none\">No services.</p>\n");
        }
    }
    page.push_str("</section>\n");
}

fn service(page: &mut String, service: &Service, plans: &[Arc<Plan>]) {
    let id = format!("{}.{}", encode(&service.project), encode(&service.name));
    let name = escape(&service.name);
    let _ = writeln!(
        page,
        "<article id=\"{id}\" aria-labelledby=\"{id}.name\">\n<h4 id=\"{id}.name\">{name}</h4>"
    );
    let _ = writeln!(page, "<div data-live id=\"{id}.facts\">{}</div>", facts(service));
    let action = format!("/console/service/{}", encode(&service.name));
    let project = format!("<input type=\"hidden\" name=\"project\" value=\"{}\">", escape(&service.project));
    let _ = write!(
        page,
        "<div class=\"actions\">\n<form method=\"post\" action=\"{action}/plan\">{project}\
         <label for=\"{id}.plan\">Plan</label> <select id=\"{id}.plan\" name=\"plan\">{}</select> \
         <button>Change plan</button></form>\n\
         <form method=\"post\" action=\"{action}/tags\">{project}\
         <label for=\"{id}.tags\">Tags</label> <textarea id=\"{id}.tags\" name=\"tags\" rows=\"2\" \
         spellcheck=\"false\">{}</textarea> <button>Replace tags</button></form>\n\
         <form method=\"post\" class=\"buttons\">{project}\n",
        options(service, plans),
        escape(&tag_lines(service)),
    );
    for (path, text) in [
        ("reset-password", "Reset password"),
        ("take-backup", "Take backup"),
        ("power-off", "Power off"),
        ("power-on", "Power on"),
    ] {
        let _ = writeln!(
            page,
            "<button formaction=\"{action}/{path}\" aria-label=\"{text}: {name}\">{text}</button>"
        );
    }
    let _ = write!(
        page,
        "</form>\n<details><summary>Delete {name}</summary><form method=\"post\" action=\"{action}/delete\">{project}\
         <button class=\"danger\">Delete {name} and its data</button></form></details>\n</div>\n</article>\n"
    );
}

fn options(service: &Service, plans: &[Arc<Plan>]) -> String {
    let option = |plan: &Arc<Plan>| {
        let selected = if plan.name == service.plan.name { " selected" } else { "" };
        format!("<option{selected}>{}</option>", escape(&plan.name))
    };
    plans.iter().map(option).collect()
}

fn tag_lines(service: &Service) -> String {
    let lines: Vec<String> = service.tags.iter().map(|(key, value)| format!("{key}={value}")).collect();
    lines.join("\n")
}

/// What is true of a service now.
fn facts(service: &Service) -> String {
    let mut text = String::new();
    let state = service.state();
    let _ = write!(text, "<p class=\"state {}\">{state}</p><dl>", state.to_lowercase());
    let engine = if service.backing.is_some() { "a real server" } else { "simulated" };
    let connection = &service.connection;
    let endpoint = format!("{}:{}", connection.host, connection.port(service.uses_tls()));
    let protection = if service.termination_protection { "on" } else { "off" };
    let tags = tag_lines(service).replace('\n', ", ");
    for (name, value) in [
        ("Type", format!("{} {}, {engine}", service.service_type.name(), service.full_version())),
        ("Plan", format!("{}, {} MB", service.plan.name, service.plan.memory_mb)),
        ("Cloud", service.cloud.name.clone()),
        ("Endpoint", endpoint),
        ("Protection", protection.to_owned()),
        ("Tags", if tags.is_empty() { "none".to_owned() } else { tags }),
    ] {
        let _ = write!(text, "<dt>{name}</dt><dd>{}</dd>", escape(&value));
    }
    text.push_str("<dt>Backups</dt><dd>");
    list(
        &mut text,
        service.backups.iter().map(|backup| format!("{}, {} bytes", backup.name(), backup.bytes)),
    );
    text.push_str("</dd><dt>Users</dt><dd>");
    let user = |user: &crate::provider::service::User| {
        format!("{} ({}), password of {}", user.name, user.kind, seconds(user.password_time))
    };
    list(&mut text, connection.users.iter().map(user));
    text.push_str("</dd></dl>");
    text
}

fn list(text: &mut String, items: impl Iterator<Item = String>) {
    let items: Vec<String> = items.map(|item| format!("<li>{}</li>", escape(&item))).collect();
    if items.is_empty() {
        text.push_str("none");
    } else {
        let _ = write!(text, "<ul>{}</ul>", items.concat());
    }
}

fn access(page: &mut String, handle: &ProviderHandle) {
    page.push_str(
        "<section aria-labelledby=\"access-title\">\n<h2 id=\"access-title\">Tokens</h2>\n<ul class=\"tokens\" data-live id=\"tokens\">",
    );
    for (name, accepted) in handle.token_names() {
        let (state, action, text) = if accepted {
            ("accepted", "revoke-token", "Revoke")
        } else {
            ("revoked", "accept-token", "Accept again")
        };
        let name = escape(&name);
        let _ = write!(
            page,
            "<li><form method=\"post\" action=\"/console/{action}\"><b>{name}</b> {state} \
             <button name=\"token\" value=\"{name}\" aria-label=\"{text}: token {name}\">{text}</button></form></li>"
        );
    }
    page.push_str("</ul>\n</section>\n");
}

fn trouble(page: &mut String, handle: &ProviderHandle) {
    let pending = handle.pending_faults();
    let lasting = handle.disturbances().iter().fold(String::new(), |text, each| format!("{text} {each}"));
    let lasting = if lasting.is_empty() { String::new() } else { format!(" Until it recovers:{lasting}.") };
    let lasting = escape(&lasting);
    let delay = handle.shared.world().control.latency.as_millis();
    let way = |(name, text)| format!("<option value=\"{name}\">{text}</option>");
    let ways = FAILURES.map(way).concat();
    let _ = write!(
        page,
        "<section aria-labelledby=\"trouble-title\">\n<h2 id=\"trouble-title\">Trouble and time</h2>\n\
         <p data-live id=\"trouble\">{pending} failures to come; every answer is delayed by {delay} ms.{lasting}</p>\n\
         <div class=\"actions\"><form method=\"post\" action=\"/console/fail\"><label for=\"times\">Fail the next</label> \
         <input id=\"times\" name=\"times\" type=\"number\" min=\"1\" max=\"1000\" value=\"5\"> <label for=\"how\">requests with</label> \
         <select id=\"how\" name=\"how\">{ways}</select> <button>Fail</button></form>\n\
         <form method=\"post\" action=\"/console/slow\"><label for=\"delay\">Delay every answer by</label> \
         <input id=\"delay\" name=\"milliseconds\" type=\"number\" min=\"0\" max=\"60000\" value=\"2000\"> ms \
         <button>Slow down</button></form>\n\
         <form method=\"post\" action=\"/console/advance\"><label for=\"time\">Let time pass:</label> \
         <input id=\"time\" name=\"time\" value=\"12h\" size=\"8\"> <button>Move the clock</button></form>\n\
         <form method=\"post\" action=\"/console/recover\"><button>Work normally again</button></form></div>\n</section>\n"
    );
}

fn requests(page: &mut String, handle: &ProviderHandle, writes_only: bool) {
    let all = handle.requests();
    let shown = all.iter().rev().filter(|request| !writes_only || request.method != "GET");
    let rows: String = shown.take(REQUESTS_SHOWN).map(row).collect();
    let (href, text) = if writes_only {
        ("/console".to_owned(), "Show reads too")
    } else {
        (format!("/console?{}", query("changes", "1")), "Show changes only")
    };
    let _ = write!(
        page,
        "<section aria-labelledby=\"requests-title\">\n<h2 id=\"requests-title\">Requests to the API</h2>\n\
         <p data-live id=\"counts\">{} so far, {} of them changes. <a href=\"{href}\">{text}</a></p>\n\
         <div class=\"log\" role=\"region\" aria-labelledby=\"requests-title\" tabindex=\"0\"><table>\
         <thead><tr><th scope=\"col\">Time</th><th scope=\"col\">Request</th><th scope=\"col\">Status</th><th scope=\"col\">Token</th></tr></thead>\
         <tbody data-live id=\"requests\">{rows}</tbody></table></div>\n</section>\n",
        handle.counts().values().sum::<u64>(),
        handle.writes(),
    );
}

fn row(request: &RequestRecord) -> String {
    let status = request.status.map_or_else(|| "no answer".to_owned(), |status| status.to_string());
    let failed = if request.status.is_none_or(|status| status >= 400) { " class=\"failed\"" } else { "" };
    format!(
        "<tr{failed}><td>{}</td><td><code><b>{}</b> {}</code></td><td>{status}</td><td>{}</td></tr>",
        request.time.format("%H:%M:%S%.3f"),
        escape(&request.method),
        escape(&request.path),
        escape(request.token.as_deref().unwrap_or("none")),
    )
}
