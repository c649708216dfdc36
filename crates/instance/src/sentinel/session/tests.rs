//! What a client receives for each command, and for commands of any shape.

use super::*;
use proptest::prelude::*;

struct Manager {
    password: Option<&'static str>,
    open: bool,
}

impl Host for Manager {
    fn accepts(&self, password: &[u8]) -> Option<bool> {
        self.password.map(|expected| expected.as_bytes() == password)
    }

    fn is_peer(&self, user: &[u8], password: &[u8]) -> bool {
        user == b"peer" && password == b"own"
    }

    fn cluster(&self) -> &'static str {
        "cache"
    }

    fn id(&self) -> &'static str {
        "0a"
    }

    fn is_open(&self) -> bool {
        self.open
    }
}

const CLOSED: Manager = Manager { password: Some("word"), open: false };

/// What a client of protocol 2 receives for a line; questions by name.
fn ask(session: &mut Session, manager: &Manager, line: &str) -> String {
    let words: Vec<Vec<u8>> = line.split_whitespace().map(|word| word.as_bytes().to_vec()).collect();
    let reaction = session.take(manager, &words);
    match reaction {
        Reaction::Ask(question) => format!("{question:?}"),
        Reaction::End(reply) => format!("end {}", text(session, &[reply])),
        Reaction::Say(replies) => text(session, &replies),
    }
}

fn text(session: &Session, replies: &[Reply]) -> String {
    let bytes: Vec<u8> = replies.iter().flat_map(|reply| reply.encode(session.protocol)).collect();
    String::from_utf8(bytes).unwrap().replace("\r\n", " ").trim_end().to_owned()
}

#[test]
fn managers_of_other_instances_have_a_user_of_their_own() {
    for (line, answer) in [
        ("AUTH peer own", "+OK"),
        ("AUTH peer word", "-WRONGPASS"),
        ("AUTH own", "-WRONGPASS"),
        ("HELLO 2 AUTH peer word", "-WRONGPASS"),
        ("HELLO 2 AUTH default own", "-WRONGPASS"),
    ] {
        let said = ask(&mut Session::new(1, false), &CLOSED, line);
        assert!(said.starts_with(answer), "{line}: {said}");
    }
    assert!(!ask(&mut Session::new(1, false), &CLOSED, "HELLO 2 AUTH peer own").starts_with('-'));
}

#[test]
fn a_client_learns_nothing_before_it_has_authenticated() {
    let mut session = Session::new(1, CLOSED.is_open());
    for line in [
        "PING",
        "SENTINEL get-master-addr-by-name cache",
        "SENTINEL masters",
        "SUBSCRIBE +switch-master",
        "PSUBSCRIBE *",
        "INFO",
        "ROLE",
        "COMMAND",
        "CLIENT ID",
        "HELLO 3",
        "HELLO",
        "NOSUCH",
        "ACL WHOAMI",
    ] {
        let answer = ask(&mut session, &CLOSED, line);
        assert!(answer.starts_with("-NOAUTH"), "{line} {answer}");
    }
    for line in ["AUTH wrong", "AUTH default wrong", "AUTH other word", "HELLO 3 AUTH default wrong"] {
        let answer = ask(&mut session, &CLOSED, line);
        assert!(answer.starts_with("-WRONGPASS"), "{line} {answer}");
    }
    assert!(!session.authenticated && !session.subscribes());
    assert_eq!(ask(&mut session, &CLOSED, "AUTH word"), "+OK");
    assert_eq!(ask(&mut session, &CLOSED, "SENTINEL get-master-addr-by-name cache"), "Address");
    assert_eq!(ask(&mut session, &CLOSED, "RESET"), "+RESET");
    assert!(ask(&mut session, &CLOSED, "PING").starts_with("-NOAUTH"));
}

#[test]
fn passwords_are_optional_where_the_cluster_says_so() {
    let open = Manager { open: true, ..CLOSED };
    let mut session = Session::new(1, open.is_open());
    assert_eq!(ask(&mut session, &open, "SENTINEL masters"), "Primaries");
    assert!(ask(&mut session, &open, "AUTH wrong").starts_with("-WRONGPASS"));
    assert_eq!(ask(&mut session, &open, "AUTH default word"), "+OK");
    let none = Manager { password: None, open: true };
    assert!(ask(&mut session, &none, "AUTH word").starts_with("-ERR AUTH <password> called without"));
    assert_eq!(ask(&mut session, &none, "AUTH default anything"), "+OK");
}

#[test]
fn each_command_is_answered_as_a_sentinel_answers_it() {
    let manager = Manager { open: true, ..CLOSED };
    let table = [
        ("ping", "+PONG"),
        ("PING hi", "$2 hi"),
        ("PING a b", "-ERR wrong number of arguments for 'ping' command"),
        ("SENTINEL", "-ERR wrong number of arguments for 'sentinel' command"),
        (
            "SENTINEL get-master-addr-by-name",
            "-ERR wrong number of arguments for 'sentinel|get-master-addr-by-name' command",
        ),
        ("SENTINEL GET-MASTER-ADDR-BY-NAME cache", "Address"),
        ("SENTINEL get-primary-addr-by-name cache", "Address"),
        ("SENTINEL get-master-addr-by-name other", "*-1"),
        ("SENTINEL master other", "-ERR No such master with that name"),
        ("SENTINEL slaves cache", "Replicas"),
        ("SENTINEL replicas cache", "Replicas"),
        ("SENTINEL sentinels cache", "Peers"),
        ("SENTINEL ckquorum cache", "Quorum"),
        ("SENTINEL primaries", "Primaries"),
        ("SENTINEL myid", "$2 0a"),
        ("SENTINEL pending-scripts", "*0"),
        (
            "SENTINEL failover cache",
            "-ERR sentinel|failover is refused: the operator of this cluster decides about its primary",
        ),
        ("SENTINEL nosuch", "-ERR unknown subcommand 'nosuch'. Try SENTINEL HELP."),
        ("ROLE", "*2 $8 sentinel *1 $5 cache"),
        ("INFO", "Info"),
        ("INFO sentinel", "Info"),
        ("CLIENT SETNAME me", "+OK"),
        ("CLIENT GETNAME", "$2 me"),
        ("CLIENT SETINFO LIB-NAME redis-py", "+OK"),
        ("CLIENT ID", ":7"),
        ("CLIENT NO-TOUCH on", "+OK"),
        ("COMMAND COUNT", ":15"),
        ("COMMAND DOCS", "*0"),
        ("COMMAND INFO nosuch", "*1 $-1"),
        ("SELECT 1", "-ERR unknown command 'SELECT', with args beginning with: '1'"),
        ("QUIT", "end +OK"),
    ];
    let mut session = Session::new(7, true);
    for (line, expected) in table {
        assert_eq!(ask(&mut session, &manager, line), expected, "{line}");
    }
}

#[test]
fn hello_chooses_the_protocol_and_authenticates() {
    let mut session = Session::new(7, false);
    assert!(ask(&mut session, &CLOSED, "HELLO 4").starts_with("-NOPROTO"));
    let greeting = ask(&mut session, &CLOSED, "HELLO 3 AUTH default word SETNAME me");
    assert!(greeting.starts_with("%6 $6 server") && greeting.contains("$4 mode $8 sentinel"), "{greeting}");
    assert_eq!(ask(&mut session, &CLOSED, "CLIENT GETNAME"), "$2 me");
    assert_eq!(ask(&mut session, &CLOSED, "SENTINEL get-master-addr-by-name other"), "_");
    assert!(ask(&mut session, &CLOSED, "HELLO 2").starts_with("*12 "));
    assert!(ask(&mut session, &CLOSED, "HELLO 3 NOSUCH").starts_with("-ERR Syntax error in HELLO"));
    assert_eq!(session.protocol, Protocol::Two);
}

#[test]
fn subscribers_receive_what_they_asked_for() {
    let manager = Manager { open: true, ..CLOSED };
    let mut session = Session::new(7, true);
    assert_eq!(ask(&mut session, &manager, "UNSUBSCRIBE"), "*3 $11 unsubscribe $-1 :0");
    let confirmed = ask(&mut session, &manager, "SUBSCRIBE +switch-master +sdown");
    assert_eq!(confirmed, "*3 $9 subscribe $14 +switch-master :1 *3 $9 subscribe $6 +sdown :2");
    assert_eq!(ask(&mut session, &manager, "PSUBSCRIBE +s*"), "*3 $10 psubscribe $3 +s* :3");
    assert_eq!(ask(&mut session, &manager, "PING"), "*2 $4 pong $0");
    assert!(ask(&mut session, &manager, "SENTINEL masters").starts_with("-ERR Can't execute 'sentinel'"));
    let received = text(&session, &session.receives("+switch-master", "a b"));
    assert_eq!(
        received,
        "*3 $7 message $14 +switch-master $3 a b *4 $8 pmessage $3 +s* $14 +switch-master $3 a b"
    );
    assert_eq!(session.receives("-sdown", "a"), []);
    ask(&mut session, &manager, "UNSUBSCRIBE");
    assert_eq!(ask(&mut session, &manager, "PUNSUBSCRIBE"), "*3 $12 punsubscribe $3 +s* :0");
    assert_eq!(ask(&mut session, &manager, "SENTINEL masters"), "Primaries");
}

#[test]
fn subscriptions_are_bounded() {
    let mut session = Session::new(7, true);
    let words: Vec<Vec<u8>> = (0..200).map(|number| format!("channel-{number}").into_bytes()).collect();
    let all: Vec<Vec<u8>> = std::iter::once(b"SUBSCRIBE".to_vec()).chain(words).collect();
    let Reaction::Say(replies) = session.take(&CLOSED, &all) else { panic!() };
    let errors = replies.iter().filter(|reply| matches!(reply, Reply::Value(Value::Error(_)))).count();
    assert_eq!((replies.len(), errors), (200, 136));

    let mut session = Session::new(7, true);
    for kind in ["SUBSCRIBE", "PSUBSCRIBE"] {
        let reaction = session.take(&CLOSED, &[kind.as_bytes().to_vec(), vec![b'x'; 200]]);
        let Reaction::Say(replies) = reaction else { panic!() };
        assert!(matches!(replies[..], [Reply::Value(Value::Error(_))]), "{replies:?}");
        assert!(!session.subscribes(), "no memory is kept for it");
    }
}

proptest! {
    #[test]
    fn any_words_are_answered(lines in proptest::collection::vec(proptest::collection::vec(
        prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..12),
            prop::sample::select(vec!["sentinel", "hello", "3", "2", "auth", "default", "word", "client", "subscribe",
                "unsubscribe", "psubscribe", "cache", "masters", "master", "setname", "reset", "command", "info"])
                .prop_map(|word| word.as_bytes().to_vec()),
        ], 0..6), 0..12)) {
        let mut session = Session::new(7, false);
        for words in lines {
            let known = session.authenticated;
            match session.take(&CLOSED, &words) {
                Reaction::Ask(_) => prop_assert!(known),
                Reaction::Say(replies) => {
                    prop_assert_eq!(replies.is_empty(), words.is_empty());
                    prop_assert!(replies.iter().all(|reply| !reply.encode(session.protocol).is_empty()));
                }
                Reaction::End(_) => return Ok(()),
            }
        }
    }
}
