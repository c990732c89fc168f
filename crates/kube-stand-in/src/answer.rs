//! Requests to answers. No I/O.

use http::header::{AUTHORIZATION, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::body::{AnswerBody, End};
use crate::fault::{Act, Fault, Resource};
use crate::log::Log;
use crate::route::{Query, Route, route};
use crate::select::{fields_match, labels_match};
use crate::status::{self, Forbidden};
use crate::world::{LogOf, World, in_namespace, is};

type Answer = Response<AnswerBody>;

/// Marks an answer that must never be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Never;

pub(crate) fn answer<B>(world: &mut World, request: &Request<B>) -> Answer {
    let path = request.uri().path();
    let route = route(path);
    let resource = route
        .as_ref()
        .map_or(Resource::Other, |route| route.resource);
    if !has_token(world, request) {
        return json_answer(401, &status::scripted(401, None));
    }
    if request.method() != Method::GET {
        return json_answer(405, &status::scripted(405, None));
    }
    let uri = request.uri().to_string();
    let fault = world
        .faults
        .iter_mut()
        .position(|fault| fault.meets(resource, &uri));
    let query = Query::parse(request.uri().query());
    let Some(at) = fault else {
        return right_answer(world, path, route.as_ref(), &query);
    };
    let mut fault = world.faults.remove(at);
    fault.times -= u32::from(fault.times != u32::MAX);
    let answer = faulty_answer(world, &mut fault, (path, route.as_ref()), &query);
    world.faults.insert(at.min(world.faults.len()), fault);
    answer
}

fn faulty_answer(
    world: &mut World,
    fault: &mut Fault,
    (path, route): (&str, Option<&Route>),
    query: &Query,
) -> Answer {
    if let Act::Forbidden = fault.act {
        return forbidden(route);
    }
    if let Act::Status(code, retry_after_s) = fault.act {
        let mut answer = json_answer(code, &status::scripted(code, retry_after_s));
        if let Some(seconds) = retry_after_s {
            answer
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        return answer;
    }
    if let Act::Says(text) = &fault.act {
        return Response::new(AnswerBody::whole(text.clone()));
    }
    let mut answer = right_answer(world, path, route, query);
    match &mut fault.act {
        Act::Hang => {
            answer.extensions_mut().insert(Never);
        }
        Act::HangAfter(bytes) => answer.body_mut().end_after(*bytes, End::Silence),
        Act::CutAfter(bytes) => answer.body_mut().end_after(*bytes, End::Broken),
        Act::Slow(each) => answer.body_mut().pace(*each),
        Act::Then(change) => change(world),
        Act::Forbidden | Act::Status(..) | Act::Says(_) => {}
    }
    answer
}

fn right_answer(world: &World, path: &str, route: Option<&Route>, query: &Query) -> Answer {
    let Some(route) = route else {
        return discovery(path);
    };
    let namespace = &route.namespace;
    match route.resource {
        Resource::Pods => list(&world.pods, namespace, ("v1", "PodList"), query),
        Resource::Events => list(&world.events, namespace, ("v1", "EventList"), query),
        Resource::Rollouts => {
            let kind = ("argoproj.io/v1alpha1", "RolloutList");
            list(&world.rollouts, namespace, kind, query)
        }
        Resource::Secret => one(&world.secrets, route, "secrets"),
        Resource::Pod => one(&world.pods, route, "pods"),
        Resource::Rollout => one(&world.rollouts, route, "rollouts.argoproj.io"),
        Resource::Log => log(world, route, query),
        Resource::Other => discovery(path),
    }
}

fn has_token<B>(world: &World, request: &Request<B>) -> bool {
    let Some(token) = &world.token else {
        return true;
    };
    request
        .headers()
        .get(AUTHORIZATION)
        .is_some_and(|given| given.as_bytes() == format!("Bearer {token}").as_bytes())
}

fn one(objects: &[Value], route: &Route, kind: &str) -> Answer {
    let found = objects
        .iter()
        .find(|object| is(object, &route.namespace, &route.name));
    match found {
        Some(object) => json_answer(200, object),
        None => json_answer(404, &status::not_found(kind, &route.name)),
    }
}

fn list(objects: &[Value], namespace: &str, kind: (&str, &str), query: &Query) -> Answer {
    let mut found = Vec::new();
    for object in objects
        .iter()
        .filter(|object| in_namespace(object, namespace))
    {
        let by_label = query
            .get("labelSelector")
            .map_or(Some(true), |selector| labels_match(selector, object));
        let by_field = query
            .get("fieldSelector")
            .map_or(Some(true), |selector| fields_match(selector, object));
        match (by_label, by_field) {
            (Some(true), Some(true)) => found.push(object.clone()),
            (Some(_), Some(_)) => {}
            _ => return bad_request("unable to parse requirement"),
        }
    }
    // In the order of their keys in etcd.
    found.sort_by(|a, b| name(a).cmp(name(b)));
    // A page's end is the name it ended at, so that objects which come or go
    // between pages move nothing.
    if let Some(after) = query.get("continue") {
        found.retain(|object| name(object) > after);
    }
    let limit = match query.number("limit") {
        Ok(limit) => limit.filter(|&limit| limit > 0).unwrap_or(u64::MAX),
        Err(message) => return bad_request(&message),
    };
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut metadata = json!({"resourceVersion": "1"});
    if found.len() > limit {
        let remaining = found.len() - limit;
        found.truncate(limit);
        metadata["continue"] = json!(found.last().map(name));
        metadata["remainingItemCount"] = json!(remaining);
    }
    json_answer(
        200,
        &json!({"apiVersion": kind.0, "kind": kind.1, "metadata": metadata, "items": found}),
    )
}

fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

fn log(world: &World, route: &Route, query: &Query) -> Answer {
    let found = world
        .pods
        .iter()
        .find(|pod| is(pod, &route.namespace, &route.name));
    let Some(pod) = found else {
        return json_answer(404, &status::not_found("pods", &route.name));
    };
    let container = match container_of(pod, query.get("container")) {
        Ok(container) => container,
        Err(message) => return bad_request(&message),
    };
    let previous = query.is_true("previous");
    if let Err(message) = has_log(pod, &container, previous) {
        return bad_request(&message);
    }
    let of = LogOf {
        namespace: route.namespace.clone(),
        pod: route.name.clone(),
        container,
        previous,
    };
    let empty = Log::lines(0, 0, Vec::<String>::new());
    match log_body(world.logs.get(&of).unwrap_or(&empty), query) {
        Ok(body) => {
            let mut answer = Response::new(body);
            answer
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
            answer
        }
        Err(message) => bad_request(&message),
    }
}

fn log_body(log: &Log, query: &Query) -> Result<AnswerBody, String> {
    let since_ms = match query.get("sinceTime") {
        Some(text) => text
            .parse::<jiff::Timestamp>()
            .map_err(|error| error.to_string())?
            .as_millisecond(),
        None => i64::MIN,
    };
    let newest = query.number("tailLines")?.unwrap_or(u64::MAX);
    let bytes = query.number("limitBytes")?.unwrap_or(u64::MAX);
    if bytes == 0 {
        return Err("limitBytes: must be greater than 0".to_owned());
    }
    let first = log
        .first_since(since_ms)
        .max(log.count().saturating_sub(newest));
    Ok(AnswerBody::lines(
        log.clone(),
        first..log.count(),
        query.is_true("timestamps"),
        bytes,
    ))
}

/// The container that is meant, or why none is.
fn container_of(pod: &Value, asked: Option<&str>) -> Result<String, String> {
    let names = |field: &str| -> Vec<&str> {
        let containers = pod["spec"][field].as_array().map(Vec::as_slice);
        containers
            .unwrap_or_default()
            .iter()
            .filter_map(|container| container["name"].as_str())
            .collect()
    };
    let containers = names("containers");
    let all = [names("initContainers"), containers.clone()].concat();
    match (asked, containers.as_slice()) {
        (Some(asked), _) if all.contains(&asked) => Ok(asked.to_owned()),
        (Some(asked), _) => Err(format!(
            "container {asked} is not valid for pod {}",
            name(pod)
        )),
        (None, [only]) => Ok((*only).to_owned()),
        (None, _) => Err(format!(
            "a container name must be specified for pod {}, choose one of: [{}]",
            name(pod),
            all.join(" ")
        )),
    }
}

/// Whether there is such a log, by the container's state; as the kubelet
/// decides it, a container that waits after a crash has its last run's log as
/// the current one.
fn has_log(pod: &Value, container: &str, previous: bool) -> Result<(), String> {
    let status = ["containerStatuses", "initContainerStatuses"]
        .into_iter()
        .filter_map(|field| pod["status"][field].as_array())
        .flatten()
        .find(|status| status["name"] == container);
    let state =
        |which: &str, kind: &str| status.is_some_and(|status| status[which][kind].is_object());
    let ran_before = state("lastState", "terminated");
    if previous && !ran_before {
        return Err(format!(
            "previous terminated container \"{container}\" in pod \"{}\" not found",
            name(pod)
        ));
    }
    if !previous && !state("state", "running") && !state("state", "terminated") && !ran_before {
        let reason = status
            .and_then(|status| status["state"]["waiting"]["reason"].as_str())
            .unwrap_or("ContainerCreating");
        return Err(format!(
            "container \"{container}\" in pod \"{}\" is waiting to start: {reason}",
            name(pod)
        ));
    }
    Ok(())
}

fn forbidden(route: Option<&Route>) -> Answer {
    let (namespace, name) = route.map_or(("", ""), |route| {
        (route.namespace.as_str(), route.name.as_str())
    });
    let (verb, resource, group) = match route.map(|route| route.resource) {
        Some(Resource::Pods) => ("list", "pods", ""),
        Some(Resource::Pod) => ("get", "pods", ""),
        Some(Resource::Log) => ("get", "pods/log", ""),
        Some(Resource::Secret) => ("get", "secrets", ""),
        Some(Resource::Events) => ("list", "events", ""),
        Some(Resource::Rollouts) => ("list", "rollouts", "argoproj.io"),
        Some(Resource::Rollout) => ("get", "rollouts", "argoproj.io"),
        Some(Resource::Other) | None => ("get", "nothing", ""),
    };
    let body = status::forbidden(&Forbidden {
        verb,
        resource,
        group,
        namespace,
        name,
    });
    json_answer(403, &body)
}

/// As much of discovery as `kubectl get` and `kubectl logs` ask for.
fn discovery(path: &str) -> Answer {
    let verbs = json!(["get", "list"]);
    let resource = |name: &str, kind: &str| {
        json!({"name": name, "singularName": kind.to_lowercase(), "namespaced": true,
            "kind": kind, "verbs": verbs})
    };
    let body = match path.trim_end_matches('/') {
        "/version" => json!({"major": "1", "minor": "34", "gitVersion": "v1.34.4"}),
        "/api" => json!({"kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": []}),
        "/apis" => {
            let version = json!({"groupVersion": "argoproj.io/v1alpha1", "version": "v1alpha1"});
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": [{
                "name": "argoproj.io", "versions": [version], "preferredVersion": version}]})
        }
        "/api/v1" => json!({"kind": "APIResourceList", "groupVersion": "v1", "resources": [
            resource("pods", "Pod"), resource("pods/log", "Pod"), resource("events", "Event")]}),
        "/apis/argoproj.io/v1alpha1" => json!({"kind": "APIResourceList", "apiVersion": "v1",
            "groupVersion": "argoproj.io/v1alpha1", "resources": [resource("rollouts", "Rollout")]}),
        _ => return json_answer(404, &status::scripted(404, None)),
    };
    json_answer(200, &body)
}

fn bad_request(message: &str) -> Answer {
    json_answer(400, &status::bad_request(message))
}

fn json_answer(code: u16, body: &Value) -> Answer {
    let mut answer = Response::new(AnswerBody::whole(body.to_string()));
    *answer.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
