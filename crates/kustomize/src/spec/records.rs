//! The records of a kustomization file: every field name with its type.

use super::decode::{Record, Shape};

const TEXT_LIST: Shape = Shape::List(&Shape::Text);

/// The whole file.
pub(crate) static KUSTOMIZATION: Record = Record {
    name: "Kustomization",
    fields: &[
        ("apiVersion", Shape::Text),
        ("kind", Shape::Text),
        ("metadata", Shape::Record(&METADATA)),
        ("openapi", Shape::Texts),
        ("namePrefix", Shape::Text),
        ("nameSuffix", Shape::Text),
        ("namespace", Shape::Text),
        ("commonLabels", Shape::Texts),
        ("labels", Shape::List(&Shape::Record(&LABEL))),
        ("commonAnnotations", Shape::Texts),
        ("patchesStrategicMerge", Shape::List(&Shape::Word("PatchStrategicMerge"))),
        ("patchesJson6902", Shape::List(&Shape::Record(&PATCH))),
        ("patches", Shape::List(&Shape::Record(&PATCH))),
        ("images", Shape::List(&Shape::Record(&IMAGE))),
        ("imageTags", Shape::List(&Shape::Record(&IMAGE))),
        ("replacements", Shape::List(&Shape::Record(&REPLACEMENT))),
        ("replicas", Shape::List(&Shape::Record(&REPLICA))),
        ("vars", Shape::List(&Shape::Record(&VAR))),
        ("sortOptions", Shape::Record(&SORT_OPTIONS)),
        ("resources", TEXT_LIST),
        ("components", TEXT_LIST),
        ("crds", TEXT_LIST),
        ("bases", TEXT_LIST),
        ("configMapGenerator", Shape::List(&Shape::Record(&CONFIG_MAP_ARGS))),
        ("secretGenerator", Shape::List(&Shape::Record(&SECRET_ARGS))),
        ("helmGlobals", Shape::Record(&HELM_GLOBALS)),
        ("helmCharts", Shape::List(&Shape::Record(&HELM_CHART))),
        ("helmChartInflationGenerator", Shape::List(&Shape::Any)),
        ("generatorOptions", Shape::Record(&GENERATOR_OPTIONS)),
        ("configurations", TEXT_LIST),
        ("generators", TEXT_LIST),
        ("transformers", TEXT_LIST),
        ("validators", TEXT_LIST),
        ("buildMetadata", TEXT_LIST),
    ],
};

static METADATA: Record = Record {
    name: "ObjectMeta",
    fields: &[
        ("name", Shape::Text),
        ("namespace", Shape::Text),
        ("labels", Shape::Texts),
        ("annotations", Shape::Texts),
    ],
};

static HELM_GLOBALS: Record =
    Record { name: "HelmGlobals", fields: &[("chartHome", Shape::Text), ("configHome", Shape::Text)] };

/// One entry of `helmCharts`, which are only ever refused.
static HELM_CHART: Record = Record {
    name: "HelmChart",
    fields: &[
        ("name", Shape::Text),
        ("version", Shape::Text),
        ("repo", Shape::Text),
        ("releaseName", Shape::Text),
        ("namespace", Shape::Text),
        ("additionalValuesFiles", TEXT_LIST),
        ("valuesFile", Shape::Text),
        ("valuesInline", Shape::Any),
        ("valuesMerge", Shape::Text),
        ("includeCRDs", Shape::Flag),
        ("skipHooks", Shape::Flag),
        ("apiVersions", TEXT_LIST),
        ("kubeVersion", Shape::Text),
        ("nameTemplate", Shape::Text),
        ("skipTests", Shape::Flag),
        ("debug", Shape::Flag),
        ("devel", Shape::Flag),
    ],
};

/// One entry of `labels`.
static LABEL: Record = Record {
    name: "Label",
    fields: &[
        ("pairs", Shape::Texts),
        ("includeSelectors", Shape::Flag),
        ("includeTemplates", Shape::Flag),
        ("fields", Shape::List(&Shape::Record(&FIELD_SPEC))),
    ],
};

/// A field of some kinds.
pub(crate) static FIELD_SPEC: Record = Record {
    name: "FieldSpec",
    fields: &[
        ("group", Shape::Text),
        ("version", Shape::Text),
        ("kind", Shape::Text),
        ("path", Shape::Text),
        ("create", Shape::Flag),
    ],
};

/// One entry of the patch lists.
pub(crate) static PATCH: Record = Record {
    name: "Patch",
    fields: &[
        ("path", Shape::Text),
        ("patch", Shape::Text),
        ("target", Shape::Record(&SELECTOR)),
        ("options", Shape::Record(&PATCH_OPTIONS)),
    ],
};

static PATCH_OPTIONS: Record = Record {
    name: "PatchArgs",
    fields: &[("allowNameChange", Shape::Flag), ("allowKindChange", Shape::Flag)],
};

/// A target.
static SELECTOR: Record = Record {
    name: "Selector",
    fields: &[
        ("group", Shape::Text),
        ("version", Shape::Text),
        ("kind", Shape::Text),
        ("name", Shape::Text),
        ("namespace", Shape::Text),
        ("labelSelector", Shape::Text),
        ("annotationSelector", Shape::Text),
    ],
};

/// One entry of `images`.
pub(crate) static IMAGE: Record = Record {
    name: "Image",
    fields: &[
        ("name", Shape::Text),
        ("newName", Shape::Text),
        ("newTag", Shape::Text),
        ("tagSuffix", Shape::Text),
        ("digest", Shape::Text),
    ],
};

/// One entry of `replicas`.
pub(crate) static REPLICA: Record =
    Record { name: "Replica", fields: &[("name", Shape::Text), ("count", Shape::Whole("int64"))] };

/// One entry of `replacements`.
pub(crate) static REPLACEMENT: Record = Record {
    name: "ReplacementField",
    fields: &[
        ("path", Shape::Text),
        ("source", Shape::Record(&SOURCE)),
        ("sourceValue", Shape::Text),
        ("targets", Shape::List(&Shape::Record(&TARGET))),
    ],
};

static SOURCE: Record = Record {
    name: "SourceSelector",
    fields: &[
        ("group", Shape::Text),
        ("version", Shape::Text),
        ("kind", Shape::Text),
        ("name", Shape::Text),
        ("namespace", Shape::Text),
        ("fieldPath", Shape::Text),
        ("options", Shape::Record(&FIELD_OPTIONS)),
    ],
};

static TARGET: Record = Record {
    name: "TargetSelector",
    fields: &[
        ("select", Shape::Record(&SELECTOR)),
        ("reject", Shape::List(&Shape::Record(&SELECTOR))),
        ("fieldPaths", TEXT_LIST),
        ("options", Shape::Record(&FIELD_OPTIONS)),
    ],
};

static FIELD_OPTIONS: Record = Record {
    name: "FieldOptions",
    fields: &[
        ("delimiter", Shape::Text),
        ("index", Shape::Whole("int")),
        ("encoding", Shape::Text),
        ("create", Shape::Flag),
    ],
};

static VAR: Record = Record {
    name: "Var",
    fields: &[
        ("name", Shape::Text),
        ("objref", Shape::Record(&OBJECT_REFERENCE)),
        ("fieldref", Shape::Record(&FIELD_REFERENCE)),
    ],
};

static OBJECT_REFERENCE: Record = Record {
    name: "Target",
    fields: &[
        ("apiVersion", Shape::Text),
        ("group", Shape::Text),
        ("version", Shape::Text),
        ("kind", Shape::Text),
        ("name", Shape::Text),
        ("namespace", Shape::Text),
    ],
};

static FIELD_REFERENCE: Record = Record { name: "FieldSelector", fields: &[("fieldPath", Shape::Text)] };

static SORT_OPTIONS: Record = Record {
    name: "SortOptions",
    fields: &[
        ("order", Shape::Word("SortOrder")),
        ("legacySortOptions", Shape::Record(&LEGACY_SORT_OPTIONS)),
    ],
};

static LEGACY_SORT_OPTIONS: Record =
    Record { name: "LegacySortOptions", fields: &[("orderFirst", TEXT_LIST), ("orderLast", TEXT_LIST)] };

/// The fields that the built-in transformers are configured by.
pub(crate) static SETTINGS: Record = Record {
    name: "Settings",
    fields: &[
        ("annotations", Shape::Texts),
        ("labels", Shape::Texts),
        ("fieldSpecs", Shape::List(&Shape::Record(&FIELD_SPEC))),
        ("unsetOnly", Shape::Flag),
        ("setRoleBindingSubjects", Shape::Text),
        ("prefix", Shape::Text),
        ("suffix", Shape::Text),
        ("imageTag", Shape::Record(&IMAGE)),
        ("replica", Shape::Record(&REPLICA)),
        ("replacements", Shape::List(&Shape::Record(&REPLACEMENT))),
        ("path", Shape::Text),
        ("patch", Shape::Text),
        ("target", Shape::Record(&SELECTOR)),
        ("options", Shape::Record(&PATCH_OPTIONS)),
        ("paths", TEXT_LIST),
        ("patches", Shape::Text),
        ("jsonOp", Shape::Text),
        ("value", Shape::Text),
        ("targets", ADD_TARGETS),
        ("targetFilePath", Shape::Text),
    ],
};

/// The file that `targetFilePath` of a `ValueAddTransformer` names.
pub(crate) static ADD_TARGET_FILE: Record =
    Record { name: "TargetFile", fields: &[("targets", ADD_TARGETS)] };

const ADD_TARGETS: Shape = Shape::List(&Shape::Record(&ADD_TARGET));

static ADD_TARGET: Record = Record {
    name: "Target",
    fields: &[
        ("selector", Shape::Record(&SELECTOR)),
        ("fieldPath", Shape::Text),
        ("filePathPosition", Shape::Whole("int")),
    ],
};

/// One entry of `configMapGenerator`.
pub(crate) static CONFIG_MAP_ARGS: Record = Record {
    name: "ConfigMapArgs",
    fields: &[
        ("namespace", Shape::Text),
        ("name", Shape::Text),
        ("behavior", Shape::Text),
        ("literals", TEXT_LIST),
        ("files", TEXT_LIST),
        ("envs", TEXT_LIST),
        ("env", Shape::Text),
        ("options", Shape::Record(&GENERATOR_OPTIONS)),
    ],
};

/// One entry of `secretGenerator`.
pub(crate) static SECRET_ARGS: Record = Record {
    name: "SecretArgs",
    fields: &[
        ("namespace", Shape::Text),
        ("name", Shape::Text),
        ("behavior", Shape::Text),
        ("literals", TEXT_LIST),
        ("files", TEXT_LIST),
        ("envs", TEXT_LIST),
        ("env", Shape::Text),
        ("options", Shape::Record(&GENERATOR_OPTIONS)),
        ("type", Shape::Text),
    ],
};

static GENERATOR_OPTIONS: Record = Record {
    name: "GeneratorOptions",
    fields: &[
        ("labels", Shape::Texts),
        ("annotations", Shape::Texts),
        ("disableNameSuffixHash", Shape::Flag),
        ("immutable", Shape::Flag),
    ],
};
