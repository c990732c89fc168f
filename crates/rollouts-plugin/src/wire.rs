//! Argo's types in gob, as its `metricproviders/plugin/rpc` sends them.
//!
//! Field names are those of Argo's Go structs. A type of the same name in Kubernetes' JSON differs:
//! `metadata` is the embedded struct `ObjectMeta` here.

use go_plugin::gob::{
    Decode, Encode, Error, GoTime, Registered, Schema, Sink, Source, TypeId, TypeRef,
};
use go_plugin::gob_struct;
use jiff::Timestamp;

use crate::{
    AnalysisRun, AnalysisRunSpec, AnalysisRunStatus, Argument, DryRun, IntOrString, Measurement,
    Metric, MetricResult, ObjectMeta, OwnerReference, Phase, Provider, RpcError,
};

/// The argument of `Plugin.Run`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RunArgs {
    pub(crate) run: AnalysisRun,
    pub(crate) metric: Metric,
}

gob_struct!(RunArgs as "RunArgs" { run: "AnalysisRun", metric: "Metric" });

impl Registered for RunArgs {
    const NAME: &'static str = "RunArgs";
}

/// The argument of `Plugin.Terminate` and `Plugin.Resume`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct TerminateAndResumeArgs {
    pub(crate) run: AnalysisRun,
    pub(crate) metric: Metric,
    pub(crate) measurement: Measurement,
}

gob_struct!(TerminateAndResumeArgs as "TerminateAndResumeArgs" {
    run: "AnalysisRun",
    metric: "Metric",
    measurement: "Measurement",
});

impl Registered for TerminateAndResumeArgs {
    const NAME: &'static str = "TerminateAndResumeArgs";
}

/// The argument of `Plugin.GarbageCollect`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GarbageCollectArgs {
    pub(crate) run: AnalysisRun,
    pub(crate) metric: Metric,
    pub(crate) limit: i64,
}

gob_struct!(GarbageCollectArgs as "GarbageCollectArgs" {
    run: "AnalysisRun",
    metric: "Metric",
    limit: "Limit",
});

impl Registered for GarbageCollectArgs {
    const NAME: &'static str = "GarbageCollectArgs";
}

/// The argument of `Plugin.GetMetadata`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GetMetadataArgs {
    pub(crate) metric: Metric,
}

gob_struct!(GetMetadataArgs as "GetMetadataArgs" { metric: "Metric" });

impl Registered for GetMetadataArgs {
    const NAME: &'static str = "GetMetadataArgs";
}

/// `types.RpcError`, where an empty text is no error.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RpcOutcome {
    pub(crate) error: String,
}

gob_struct!(RpcOutcome as "RpcError" { error: "ErrorString" });

impl From<Result<(), RpcError>> for RpcOutcome {
    fn from(outcome: Result<(), RpcError>) -> Self {
        Self {
            error: match outcome {
                Ok(()) => String::new(),
                Err(error) => error.message().to_owned(),
            },
        }
    }
}

impl From<RpcOutcome> for Result<(), RpcError> {
    fn from(outcome: RpcOutcome) -> Self {
        if outcome.error.is_empty() {
            Ok(())
        } else {
            Err(RpcError::new(outcome.error))
        }
    }
}

gob_struct!(AnalysisRun as "AnalysisRun" {
    metadata: "ObjectMeta",
    spec: "Spec",
    status: "Status",
});

gob_struct!(ObjectMeta as "ObjectMeta" {
    name: "Name",
    namespace: "Namespace",
    uid: "UID",
    generation: "Generation",
    creation_timestamp: "CreationTimestamp" as Time,
    deletion_timestamp: "DeletionTimestamp" as Time,
    labels: "Labels",
    annotations: "Annotations",
    owner_references: "OwnerReferences",
});

gob_struct!(OwnerReference as "OwnerReference" {
    api_version: "APIVersion",
    kind: "Kind",
    name: "Name",
    uid: "UID",
    controller: "Controller",
});

gob_struct!(AnalysisRunSpec as "AnalysisRunSpec" {
    metrics: "Metrics",
    args: "Args",
    terminate: "Terminate",
    dry_run: "DryRun",
});

gob_struct!(Argument as "Argument" { name: "Name", value: "Value" });

gob_struct!(DryRun as "DryRun" { metric_name: "MetricName" });

gob_struct!(AnalysisRunStatus as "AnalysisRunStatus" {
    phase: "Phase",
    message: "Message",
    metric_results: "MetricResults",
    started_at: "StartedAt" as Time,
    completed_at: "CompletedAt" as Time,
});

gob_struct!(MetricResult as "MetricResult" {
    name: "Name",
    phase: "Phase",
    measurements: "Measurements",
    message: "Message",
    count: "Count",
    successful: "Successful",
    failed: "Failed",
    inconclusive: "Inconclusive",
    error: "Error",
    consecutive_error: "ConsecutiveError",
    dry_run: "DryRun",
    metadata: "Metadata",
    consecutive_success: "ConsecutiveSuccess",
});

gob_struct!(Metric as "Metric" {
    name: "Name",
    interval: "Interval",
    initial_delay: "InitialDelay",
    count: "Count",
    success_condition: "SuccessCondition",
    failure_condition: "FailureCondition",
    failure_limit: "FailureLimit",
    inconclusive_limit: "InconclusiveLimit",
    consecutive_error_limit: "ConsecutiveErrorLimit",
    provider: "Provider",
    consecutive_success_limit: "ConsecutiveSuccessLimit",
});

gob_struct!(Provider as "MetricProvider" { plugin: "Plugin" });

gob_struct!(Measurement as "Measurement" {
    phase: "Phase",
    message: "Message",
    started_at: "StartedAt" as Time,
    finished_at: "FinishedAt" as Time,
    value: "Value",
    metadata: "Metadata",
    resume_at: "ResumeAt" as Time,
});

impl Decode for Phase {
    fn decode(source: &mut Source<'_>, ty: TypeId) -> Result<Self, Error> {
        let text = String::decode(source, ty)?;
        Phase::try_from(text.as_str()).map_err(|_| Error::Invalid {
            want: "analysis phase",
        })
    }
}

impl Encode for Phase {
    fn wire_type() -> TypeRef {
        String::wire_type()
    }

    fn is_zero(&self) -> bool {
        *self == Phase::Unset
    }

    fn encode(&self, sink: &mut Sink<'_>) {
        sink.bytes(self.as_str().as_bytes());
    }
}

/// `intstr.IntOrString`: a discriminant and both values.
#[derive(Default)]
struct IntOrStringFields {
    kind: i64,
    int: i32,
    text: String,
}

gob_struct!(IntOrStringFields as "IntOrString" { kind: "Type", int: "IntVal", text: "StrVal" });

/// `intstr.Type`: 0 is `Int`, 1 is `String`.
const INT_OR_STRING_INT: i64 = 0;
const INT_OR_STRING_STRING: i64 = 1;

impl From<&IntOrString> for IntOrStringFields {
    fn from(value: &IntOrString) -> Self {
        match value {
            IntOrString::Int(int) => Self {
                kind: INT_OR_STRING_INT,
                int: *int,
                text: String::new(),
            },
            IntOrString::String(text) => Self {
                kind: INT_OR_STRING_STRING,
                int: 0,
                text: text.clone(),
            },
        }
    }
}

impl Decode for IntOrString {
    fn decode(source: &mut Source<'_>, ty: TypeId) -> Result<Self, Error> {
        let fields = IntOrStringFields::decode(source, ty)?;
        match fields.kind {
            INT_OR_STRING_INT => Ok(IntOrString::Int(fields.int)),
            INT_OR_STRING_STRING => Ok(IntOrString::String(fields.text)),
            _ => Err(Error::Invalid {
                want: "IntOrString",
            }),
        }
    }
}

impl Encode for IntOrString {
    fn wire_type() -> TypeRef {
        // Described under this type's own key: the fields above are its shape on the wire.
        TypeRef::defined::<Self>(|| match IntOrStringFields::wire_type() {
            TypeRef::Defined { schema, .. } => schema(),
            TypeRef::Predefined(_) | TypeRef::Interface { .. } => Schema::Struct {
                name: "IntOrString",
                fields: Vec::new(),
            },
        })
    }

    fn is_zero(&self) -> bool {
        false
    }

    fn encode(&self, sink: &mut Sink<'_>) {
        IntOrStringFields::from(self).encode(sink);
    }
}

/// `metav1.Time`, where Go's zero time and nil are both "none".
struct Time(GoTime);

impl Default for Time {
    fn default() -> Self {
        Self(GoTime::ZERO)
    }
}

impl Decode for Time {
    fn decode(source: &mut Source<'_>, ty: TypeId) -> Result<Self, Error> {
        let time = GoTime::decode(source, ty)?;
        // A time that cannot be told has to fail here and not look like "none".
        match timestamp(time) {
            Some(_) => Ok(Self(time)),
            None => Err(Error::Invalid { want: "time" }),
        }
    }
}

impl Encode for Time {
    fn wire_type() -> TypeRef {
        GoTime::wire_type()
    }

    fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    fn encode(&self, sink: &mut Sink<'_>) {
        self.0.encode(sink);
    }
}

fn timestamp(time: GoTime) -> Option<Timestamp> {
    let nanoseconds = i32::try_from(time.nanoseconds).ok()?;
    Timestamp::new(time.unix_seconds, nanoseconds).ok()
}

impl From<Time> for Option<Timestamp> {
    fn from(Time(time): Time) -> Self {
        if time == GoTime::ZERO {
            None
        } else {
            timestamp(time)
        }
    }
}

impl From<&Option<Timestamp>> for Time {
    fn from(time: &Option<Timestamp>) -> Self {
        let Some(time) = time else {
            return Self::default();
        };
        // Before 1970 jiff counts nanoseconds down from the second, Go counts up from the one
        // before.
        let nanoseconds = time.subsec_nanosecond();
        Self(match u32::try_from(nanoseconds) {
            Ok(nanoseconds) => GoTime {
                unix_seconds: time.as_second(),
                nanoseconds,
            },
            Err(_) => GoTime {
                unix_seconds: time.as_second() - 1,
                nanoseconds: nanoseconds.saturating_add(1_000_000_000).cast_unsigned(),
            },
        })
    }
}
