//! The page for a browser: complete, alone, and safe from what it shows.

use analysis::Verdict;
use analysis::decide::alone;
use analysis::opinion::{Answer, Missing, MissingKind, Opinion, View};
use analysis::policy_file::{self, PolicyFile};
use analysis::report::{self, Page};
use judge::Decision;
use judge::evidence::{Arm, Evidence, LeftOut};
use judge::judgement::{FindingClass, Gate, GateKind, IgnoredEvents};

use crate::messages::{broken, finding, gate, gathered, judgement};

/// What an attacker would write into a log.
const HOSTILE: &str = "</pre></table><script>alert(1)</script><img src=x onerror=alert(2)>\
    <a href=\"javascript:alert(3)\">'\"`&lt;&#60;\u{202e}txt\u{2066}\u{0}\u{1b}[31m\u{200b}--><!--]]></style>\
    http://attacker.example/ \u{2028}end";

fn page(verdict: &Verdict, evidence: &Evidence, policy: &PolicyFile) -> String {
    report::html(&Page {
        verdict,
        evidence,
        policy,
        made_by: "canary-judge 1.2.3",
    })
}

/// A view and a missing one, every text of them this.
pub(crate) fn opinions(text: &str) -> Vec<Opinion> {
    let view = View {
        promote: false,
        confidence: 85,
        analysis: text.into(),
        root_cause: text.into(),
        remediation: text.into(),
        cited: vec![text.into()],
    };
    let missing = Missing {
        kind: MissingKind::Retired,
        why: text.into(),
    };
    let opinion = |answer| Opinion {
        model: text.into(),
        took_ms: 7,
        answer,
    };
    vec![
        opinion(Answer::View(view)),
        opinion(Answer::Missing(missing)),
    ]
}

fn hostile() -> String {
    let mut gathered = gathered();
    gathered.evidence.left_out = vec![LeftOut {
        arm: Arm::Canary,
        what: HOSTILE.into(),
        why: HOSTILE.into(),
    }];
    let mut judgement = broken();
    for class in [FindingClass::NewError, FindingClass::PodState] {
        let mut hostile = finding(class, HOSTILE);
        hostile.id = HOSTILE.into();
        hostile.text = HOSTILE.into();
        hostile.sample = format!("{HOSTILE} as a sample");
        judgement.vetoes.push(hostile.clone());
        judgement.findings.insert(0, hostile);
    }
    judgement.ignored.push(IgnoredEvents {
        pattern: HOSTILE.into(),
        reason: HOSTILE.into(),
        stable_count: 1,
        canary_count: 2,
    });
    let mut verdict = alone(judgement, &gathered);
    verdict.message = format!("canary aborted: {HOSTILE}");
    verdict.explained.opinions = opinions(HOSTILE);
    let mut policy = policy_file::parse(
        "[[ignore]]\ntemplate = \"0123456789\"\nreason = \"r\"\nuntil = 2026-12-31\n",
        jiff::civil::date(2026, 1, 1),
    )
    .expect("a policy");
    policy.entries[0].ignore.pattern = HOSTILE.into();
    policy.entries[0].ignore.reason = HOSTILE.into();
    report::html(&Page {
        made_by: HOSTILE,
        ..Page {
            verdict: &verdict,
            evidence: &gathered.evidence,
            policy: &policy,
            made_by: "",
        }
    })
}

/// Elements that need no end.
const VOID: [&str; 3] = ["meta", "link", "br"];

const ELEMENTS: &[&str] = &[
    "html",
    "head",
    "meta",
    "link",
    "title",
    "style",
    "body",
    "main",
    "section",
    "h1",
    "h2",
    "p",
    "b",
    "em",
    "br",
    "span",
    "code",
    "pre",
    "div",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "ul",
    "li",
    "figure",
    "figcaption",
    "svg",
    "path",
    "details",
    "summary",
    "footer",
];

const ATTRIBUTES: &[&str] = &[
    "lang",
    "class",
    "charset",
    "http-equiv",
    "content",
    "name",
    "rel",
    "href",
    "scope",
    "colspan",
    "data-label",
    "viewBox",
    "preserveAspectRatio",
    "role",
    "aria-label",
    "d",
    "tabindex",
];

/// Reads the page's tags as a strict reader would: each is known, has known
/// attributes, and is closed where it was opened.
fn check_tags(page: &str) {
    let mut rest = page.strip_prefix("<!doctype html>\n").expect("a page");
    let mut open: Vec<&str> = Vec::new();
    while let Some(at) = rest.find('<') {
        let end = rest[at..].find('>').expect("a tag ends") + at;
        let tag = &rest[at + 1..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "</{name}> closes what is open");
            continue;
        }
        let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        assert!(ELEMENTS.contains(&name), "<{name}>");
        for (index, piece) in attributes.split('"').enumerate() {
            let piece = piece.trim();
            if index % 2 == 0 && !piece.is_empty() && piece != "/" {
                let attribute = piece.strip_suffix('=').expect("name=\"value\"");
                assert!(ATTRIBUTES.contains(&attribute), "<{name} {attribute}>");
            }
        }
        if !VOID.contains(&name) && !tag.ends_with('/') {
            open.push(name);
        }
        if name == "style" {
            rest = &rest[rest.find("</style>").expect("the style ends")..];
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
}

#[test]
fn what_logs_say_stays_text() {
    let page = hostile();
    check_tags(&page);
    assert_eq!(page.matches("as a sample").count(), 4, "it is shown");
    for text in [
        "<script", "<img", "<a ", "\u{202e}", "\u{2066}", "\u{1b}", "\u{0}",
    ] {
        assert!(!page.contains(text), "{text:?}");
    }
    // Every one of them, wherever it stands, is escaped.
    assert_eq!(
        page.matches("script&gt;alert(1)").count(),
        page.matches("alert(1)").count()
    );
}

#[test]
fn the_page_loads_nothing() {
    let verdict = alone(broken(), &gathered());
    let page = page(&verdict, &gathered().evidence, &PolicyFile::default());
    check_tags(&page);
    for text in [
        "http:",
        "https:",
        "src=",
        "url(",
        "@import",
        "<script",
        "javascript:",
        " style=",
    ] {
        assert!(!page.contains(text), "{text}");
    }
    assert_eq!(page.matches("href=").count(), 1);
    assert!(page.contains("<link rel=\"icon\" href=\"data:,\">"));
    assert!(page.contains("content=\"default-src 'none'; style-src 'sha256-"));
}

#[test]
fn the_verdict_comes_first_and_everything_is_there() {
    let mut gathered = gathered();
    gathered.evidence.left_out = vec![LeftOut {
        arm: Arm::Canary,
        what: "web-3/web".into(),
        why: "no answer within 15 s".into(),
    }];
    let mut judgement = broken();
    judgement.gates.push(gate(GateKind::NewErrors, false));
    for kind in [GateKind::Latency, GateKind::Metric] {
        judgement.gates.push(Gate {
            stable_count: 0,
            ..gate(kind, false)
        });
    }
    let verdict = alone(judgement, &gathered);
    let page = page(&verdict, &gathered.evidence, &PolicyFile::default());
    check_tags(&page);
    let mut from = 0;
    for text in [
        "<html lang=\"en\" class=\"abort\">",
        "<title>Canary aborted: canary-judge</title>",
        "<h1>Canary aborted</h1>",
        "+4.7 pp errors (20/412 requests, stable 2/1,630), NullPointerException UserResource:39 in 3/3 pods, 0 in stable",
        "<b>97 %</b> confident",
        "Of the canary’s 412 requests, 20 failed; of stable’s 1,630, 2.",
        "NullPointerException UserResource:39",
        "new error",
        "18 (4.4 %)",
        "95 %: 9.2 to 170",
        "3/3",
        "2026-01-02 03:04:05",
        "to 03:05:05",
        "java.lang.NullPointerException: user is null",
        "Error rate",
        "fired",
        "20 (4.9 %)",
        "+4.7 pp",
        "1 in 1,200,000",
        "1 in 164",
        "New errors",
        "too small to count",
        "Had nothing to compare: latency, metric.",
        "web-3/web",
        "no answer within 15 s",
        "The defaults.",
        "promoteMargin",
        "Made by canary-judge 1.2.3",
    ] {
        let at = page[from..].find(text);
        let at = at.unwrap_or_else(|| panic!("{text:?} comes after what is before it:\n{page}"));
        from += at + text.len();
    }
}

#[test]
fn each_decision_has_its_own_words() {
    for (decision, class, heading) in [
        (Decision::Promote, "promote", "Canary promoted"),
        (Decision::Abort, "abort", "Canary aborted"),
        (
            Decision::Inconclusive,
            "inconclusive",
            "Canary inconclusive",
        ),
    ] {
        let verdict = alone(judgement(decision), &gathered());
        let verdict = Verdict {
            decision,
            ..verdict
        };
        let page = page(&verdict, &Evidence::default(), &PolicyFile::default());
        check_tags(&page);
        assert!(page.contains(&format!("class=\"{class}\">")));
        assert!(page.contains(&format!("<h1>{heading}</h1>")));
        assert_eq!(
            page.contains("confident"),
            decision != Decision::Inconclusive
        );
    }
}

#[test]
fn a_changed_policy_is_said() {
    let text = "promoteMargin = 0.01\n\
        [[ignore]]\nevent = \"BackOff\"\nreason = \"OPS-1\"\nuntil = 2026-12-31\n\
        [[ignore]]\nevent = \"Unhealthy\"\nreason = \"OPS-2\"\nuntil = 2025-12-31\n";
    let policy = policy_file::parse(text, jiff::civil::date(2026, 1, 1)).expect("a policy");
    let verdict = alone(broken(), &gathered());
    let page = page(&verdict, &Evidence::default(), &policy);
    check_tags(&page);
    for text in [
        "promoteMargin is 0.01, by default 0.025",
        "Kubernetes events &#96;BackOff&#96; are ignored until 2026-12-31: OPS-1",
        "&#96;Unhealthy&#96; count again, since the entry expired on 2025-12-31: OPS-2",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn long_lists_are_cut_and_say_so() {
    let mut judgement = broken();
    judgement.findings = vec![finding(FindingClass::NewError, "x"); 120];
    let mut gathered = gathered();
    gathered.evidence.left_out = (0..120)
        .map(|n| LeftOut {
            arm: Arm::Canary,
            what: format!("pod-{n}"),
            why: "why".into(),
        })
        .collect();
    let verdict = alone(judgement, &gathered);
    let page = page(&verdict, &gathered.evidence, &PolicyFile::default());
    check_tags(&page);
    assert_eq!(page.matches("and 20 more").count(), 2);
    assert_eq!(page.matches("<tr class=\"said\">").count(), 100);
}
