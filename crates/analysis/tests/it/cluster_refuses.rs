//! What fails, and what it says.

use analysis::{Access, Cluster, GatherError};
use kube_stand_in::{Act, Fault, Resource, StandIn};

use crate::scene::{cluster, gather, left_out, log_queries, logs, request, world};

fn stand_in(fault: Fault) -> StandIn {
    let mut world = world();
    world.add_fault(fault);
    StandIn::new(world)
}

async fn refusal(stand_in: &StandIn) -> GatherError {
    let gathered = cluster(stand_in).gather(&request()).await;
    gathered.expect_err("it cannot be gathered")
}

fn requests(stand_in: &StandIn, resource: Resource) -> usize {
    let seen = stand_in.seen();
    seen.iter().filter(|seen| seen.resource == resource).count()
}

#[tokio::test(start_paused = true)]
async fn logs_that_no_one_may_read_name_the_right_that_is_missing() {
    for arm in ["web-aaa", "web-ccc", ""] {
        let stand_in = stand_in(Fault::on(Resource::Log, Act::Forbidden).only(arm));
        let error = refusal(&stand_in).await;
        insta::allow_duplicates! {
            insta::assert_snapshot!(error, @"failed to fetch logs: the controller's service account may not get pods/log in namespace shop: apply deploy/controller/access, or grant it with a Role in that namespace");
        }
        assert_eq!(requests(&stand_in, Resource::Log), 4, "403 is not repeated");
    }
}

#[tokio::test(start_paused = true)]
async fn pods_that_may_not_be_listed_name_the_right_that_is_missing() {
    let stand_in = stand_in(Fault::on(Resource::Pods, Act::Forbidden));
    insta::assert_snapshot!(refusal(&stand_in).await, @"failed to list pods: the controller's service account may not list pods in namespace shop: apply deploy/controller/access, or grant it with a Role in that namespace");
}

#[tokio::test(start_paused = true)]
async fn one_log_that_may_not_be_read_is_partial_evidence() {
    let stand_in = stand_in(Fault::on(Resource::Log, Act::Forbidden).only("web-ccc-1"));
    let gathered = gather(&stand_in, &request()).await;
    assert_eq!(logs(&gathered)[2..], ["web-ccc-2/web"]);
    assert_eq!(
        left_out(&gathered),
        ["web-ccc-1/web: the service account may not read it"]
    );
}

#[tokio::test(start_paused = true)]
async fn events_that_may_not_be_listed_are_partial_evidence() {
    let stand_in = stand_in(Fault::on(Resource::Events, Act::Forbidden));
    let gathered = gather(&stand_in, &request()).await;
    assert_eq!(logs(&gathered).len(), 4);
    assert_eq!(left_out(&gathered).len(), 1);
    assert!(left_out(&gathered)[0].contains("may not list events in namespace shop"));
}

#[tokio::test(start_paused = true)]
async fn a_rollout_that_is_not_there_is_no_failure() {
    let stand_in = stand_in(Fault::on(Resource::Rollout, Act::Status(404, None)));
    assert_eq!(logs(&gather(&stand_in, &request()).await).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_refused_is_said_and_not_shown() {
    let mut world = world();
    world.require_token("hush");
    let error = refusal(&StandIn::new(world)).await;
    assert!(matches!(error, GatherError::Unauthorized { .. }), "{error}");
    assert!(!format!("{error:?}").contains("hush"));
}

#[tokio::test(start_paused = true)]
async fn a_busy_server_is_asked_again_when_it_says() {
    let stand_in = stand_in(Fault::on(Resource::Pods, Act::Status(429, Some(2))).times(3));
    let begun = tokio::time::Instant::now();
    assert_eq!(logs(&gather(&stand_in, &request()).await).len(), 4);
    assert!(begun.elapsed() >= std::time::Duration::from_secs(2));
    assert_eq!(requests(&stand_in, Resource::Pods), 5);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_for_too_much_patience_is_not_asked_again() {
    let stand_in = stand_in(Fault::on(Resource::Rollout, Act::Status(429, Some(3_600))));
    insta::assert_snapshot!(refusal(&stand_in).await, @"failed to get the Rollout: the API server answered 429: the server has received too many requests and has asked us to try again later");
    assert_eq!(requests(&stand_in, Resource::Rollout), 1);
}

#[tokio::test(start_paused = true)]
async fn a_broken_server_is_asked_so_often_and_no_more() {
    let stand_in = stand_in(Fault::on(Resource::Rollout, Act::Status(500, None)));
    let error = refusal(&stand_in).await;
    assert!(
        matches!(error, GatherError::Refused { status: 500, .. }),
        "{error}"
    );
    assert_eq!(
        requests(&stand_in, Resource::Rollout),
        1 + request().limits.retries as usize
    );
}

#[tokio::test(start_paused = true)]
async fn logs_that_a_broken_server_does_not_give_are_left_out_and_never_promote() {
    let stand_in = stand_in(Fault::on(Resource::Log, Act::Status(500, None)).only("web-ccc"));
    let gathered = gather(&stand_in, &request()).await;
    assert!(gathered.canary.mostly_unread());
    let verdict = analysis::judge_gathered(&gathered, &judge::Policy::default());
    assert_eq!(verdict.decision, judge::Decision::Inconclusive);
    insta::assert_snapshot!(verdict.message, @"canary inconclusive: failed to fetch logs: only 0 of 2 logs of canary could be read");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_is_made_again() {
    let stand_in = stand_in(
        Fault::on(Resource::Log, Act::CutAfter(500))
            .only("web-ccc-1")
            .times(2),
    );
    let gathered = gather(&stand_in, &request()).await;
    assert_eq!(left_out(&gathered), [""; 0]);
    assert_eq!(gathered.evidence.canary.logs[0].profile.lines, 100);
    assert_eq!(log_queries(&stand_in).len(), 4 + 2);
}

#[tokio::test(start_paused = true)]
async fn of_a_connection_that_always_breaks_the_last_part_counts() {
    let stand_in = stand_in(Fault::on(Resource::Log, Act::CutAfter(410)).only("web-ccc-1"));
    let gathered = gather(&stand_in, &request()).await;
    assert_eq!(
        left_out(&gathered),
        ["web-ccc-1/web: the connection broke before its end"]
    );
    assert_eq!(gathered.evidence.canary.logs[0].profile.bytes, 410);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_what_was_asked_for_is_said() {
    let page = Act::Says("<html>sign in</html>".into());
    let error = refusal(&stand_in(Fault::on(Resource::Pods, page))).await;
    insta::assert_snapshot!(error, @"failed to list pods: the API server's answer could not be read");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_always_breaks_is_said() {
    let stand_in = stand_in(Fault::on(Resource::Pods, Act::CutAfter(40)));
    insta::assert_snapshot!(refusal(&stand_in).await, @"failed to list pods: no answer from the API server");
}

#[tokio::test(start_paused = true)]
async fn unreadable_logs_are_one_warning_in_the_words_people_search_for() {
    let log = crate::scene::Captured::default();
    let _guard = log.install();
    let stand_in = stand_in(Fault::on(Resource::Log, Act::Forbidden).only("web-ccc"));
    refusal(&stand_in).await;
    let lines = log.lines();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("INFO") && line.contains("fetching logs")),
        "{lines:?}"
    );
    let warnings: Vec<_> = lines.iter().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{lines:?}");
    assert!(warnings[0].contains("failed to fetch logs"), "{lines:?}");
    assert!(warnings[0].contains("unread=2"), "{lines:?}");
}

#[tokio::test]
async fn a_kubeconfig_that_is_not_there_is_said_without_its_contents() {
    crate::scene::listen();
    let folder = tempfile::tempdir().expect("a folder");
    let broken = folder.path().join("broken");
    std::fs::write(&broken, "users: [{name: x, user: {token: hush").expect("a file");
    for path in [folder.path().join("none"), broken] {
        let error = Cluster::new(Access::Kubeconfig(path))
            .gather(&request())
            .await
            .expect_err("no access");
        insta::allow_duplicates! {
            insta::assert_snapshot!(error, @"failed to set up access to the cluster: the plugin needs the controller's service account, or a readable kubeconfig");
        }
        assert!(!error.to_string().contains("hush"));
    }
}
