//! The console in a real browser: headless Chromium, driven over its debugging pipe. Reads what a reader sees and
//! presses keys, as a user without a mouse does.

use crate::harness::Api;
use serde_json::{Value, json};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use valkeeper_testbed::tools;

/// Longest wait for anything.
const PATIENCE: Duration = Duration::from_mins(1);

/// A page in a browser.
struct Browser {
    child: Child,
    commands: File,
    events: File,
    /// Identifies the page in every message.
    session: String,
    last: u64,
    _folder: tempfile::TempDir,
}

impl Browser {
    /// Opens `url` in a window of that size; `None` where there is no browser.
    fn open(url: &str, width: u32, height: u32) -> Option<Self> {
        let program = tools::CHROMIUM.or_skip()?;
        let folder = tempfile::tempdir().unwrap();
        let pipe = |name: &str| folder.path().join(name);
        for name in ["commands", "events"] {
            assert!(Command::new("mkfifo").arg(pipe(name)).status().unwrap().success());
        }
        // The browser reads commands from descriptor 3 and writes events to descriptor 4.
        let script = "exec \"$0\" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage \
                      --remote-debugging-pipe --user-data-dir=\"$1\" about:blank 3<\"$2\" 4>\"$3\"";
        let child = Command::new("sh")
            .args(["-c", script])
            .arg(program)
            .args([pipe("profile"), pipe("commands"), pipe("events")])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let commands = OpenOptions::new().write(true).open(pipe("commands")).unwrap();
        let events = File::open(pipe("events")).unwrap();
        let mut browser = Self { child, commands, events, session: String::new(), last: 0, _folder: folder };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let session = browser.call("Target.attachToTarget", &attach)["sessionId"].clone();
        session.as_str().unwrap().clone_into(&mut browser.session);
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        browser.call("Emulation.setDeviceMetricsOverride", &size);
        browser.call("Page.navigate", &json!({ "url": url }));
        browser.until("document.readyState === 'complete' && !!document.querySelector('main')");
        Some(browser)
    }

    /// Sends a command and returns its result.
    fn call(&mut self, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if !self.session.is_empty() {
            message["sessionId"] = self.session.as_str().into();
        }
        self.commands.write_all(format!("{message}\0").as_bytes()).unwrap();
        loop {
            let answer = self.read();
            if answer["id"] == self.last {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    fn read(&mut self) -> Value {
        let mut message = Vec::new();
        let mut byte = [0];
        while self.events.read_exact(&mut byte).is_ok() && byte[0] != 0 {
            message.push(byte[0]);
        }
        serde_json::from_slice(&message).unwrap()
    }

    /// The value of an expression in the page.
    fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true });
        self.call("Runtime.evaluate", &parameters)["result"]["value"].clone()
    }

    fn until(&mut self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        while self.value(expression) != true {
            assert!(Instant::now() < deadline, "never true: {expression}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses a key such as `Tab`.
    fn press(&mut self, key: &str, code: u32, text: &str) {
        for kind in ["keyDown", "keyUp"] {
            let event = json!({
                "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code,
                "text": if kind == "keyDown" { text } else { "" },
            });
            self.call("Input.dispatchKeyEvent", &event);
        }
    }

    /// Presses Tab until the element that has the focus is the one wanted.
    fn tab_to(&mut self, wanted: &str) {
        for _ in 0..60 {
            self.press("Tab", 9, "");
            if self.value(&format!("(e => {wanted})(document.activeElement)")) == true {
                return;
            }
        }
        unreachable!("the keyboard does not get to {wanted}");
    }

    fn screenshot(&mut self, path: &Path) {
        let picture = self.call("Page.captureScreenshot", &json!({ "captureBeyondViewport": true }));
        let bytes = base64::Engine::decode(
            &base64::prelude::BASE64_STANDARD,
            picture["data"].as_str().unwrap().as_bytes(),
        );
        std::fs::write(path, bytes.unwrap()).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a scenario on a thread that may wait, with a provider that has one service.
async fn in_browser(width: u32, scenario: impl FnOnce(&mut Browser, &Api) + Send + 'static) {
    let api = Api::start_with(|options| options.build_time = Duration::from_millis(300)).await;
    api.create("cache", json!({ "tags": { "team": "payments" } })).await;
    let url = format!("{}/console", api.server.url());
    let wait = move || {
        let Some(mut browser) = Browser::open(&url, width, 900) else { return };
        scenario(&mut browser, &api);
        if let Some(folder) = std::env::var_os("CONSOLE_SCREENSHOTS") {
            browser.screenshot(&Path::new(&folder).join(format!("console-{width}.png")));
        }
    };
    tokio::task::spawn_blocking(wait).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn page_follows_the_provider_and_works_with_keyboard_only() {
    in_browser(1200, |browser, api| {
        browser.until("document.querySelector('.state').textContent === 'RUNNING'");
        browser.press("Tab", 9, "");
        assert_eq!(browser.value("document.activeElement.textContent"), "Skip to the services");
        // What is being typed stays while the page renews itself.
        browser.tab_to("e.name === 'tags'");
        browser.value("document.activeElement.value = 'team=typing'");
        api.handle().reset_password(crate::harness::PROJECT, "cache");
        api.handle().take_backup(crate::harness::PROJECT, "cache");
        browser.until("document.querySelectorAll('article li').length >= 2");
        assert_eq!(browser.value("document.activeElement.value"), "team=typing");
        browser.tab_to("e.textContent === 'Replace tags'");
        browser.press("Enter", 13, "\r");
        browser.until("document.getElementById('told').textContent === 'cache has 1 tags now.'");
        browser.until("document.querySelector('article dl').textContent.includes('team=typing')");
        let focused = browser.value("document.activeElement.textContent");
        assert_eq!(focused, "Replace tags", "the focus stays on the button");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn narrow_screen_cuts_nothing_off_and_controls_have_names() {
    in_browser(360, |browser, _| {
        browser.until("document.querySelector('.state').textContent === 'RUNNING'");
        assert_eq!(browser.value("document.documentElement.scrollWidth <= innerWidth"), true);
        let unnamed = "[...document.querySelectorAll('button, select, textarea, input:not([type=hidden])')]\
                       .filter(e => !(e.ariaLabel || e.textContent.trim() && e.tagName === 'BUTTON' || e.labels?.length))\
                       .map(e => e.outerHTML).join()";
        assert_eq!(browser.value(unnamed), "");
        let small = "[...document.querySelectorAll('button, select')].filter(e => e.offsetParent && e.offsetHeight < 32).length";
        assert_eq!(browser.value(small), 0);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_come_and_go_without_a_reload() {
    in_browser(800, |browser, api| {
        let runtime = tokio::runtime::Handle::current();
        runtime.block_on(api.create("second", json!({})));
        browser.until("document.querySelectorAll('article').length === 2");
        api.handle().delete_service(crate::harness::PROJECT, "cache");
        browser.until("document.querySelector('h4').textContent === 'second'");
    })
    .await;
}
