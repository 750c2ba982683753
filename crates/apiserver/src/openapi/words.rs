//! Descriptions of the fields that all objects share, for `kubectl explain`.

/// What a field of a root object is for.
pub(super) fn of_root(field: &str) -> Option<&'static str> {
    find(ROOT, field)
}

/// What a field of any root object is for.
pub(super) fn of_any(field: &str) -> Option<&'static str> {
    of_root(field).filter(|_| !matches!(field, "spec" | "status"))
}

/// What a field of `metadata` is for.
pub(super) fn of_metadata(field: &str) -> Option<&'static str> {
    find(METADATA, field)
}

fn find(words: &[(&str, &'static str)], field: &str) -> Option<&'static str> {
    words.iter().find(|(known, _)| *known == field).map(|(_, text)| *text)
}

const ROOT: &[(&str, &str)] = &[
    ("apiVersion", "Group and version of this object's kind."),
    ("kind", "Kind of this object."),
    ("metadata", "Name, namespace, labels and annotations of this object."),
    ("spec", "What is wanted."),
    ("status", "What is there; written by controllers."),
];

const METADATA: &[(&str, &str)] = &[
    ("annotations", "Notes for tools and people, which no selector looks at."),
    ("continue", "Where the next part of this list begins; said in the request for it."),
    ("creationTimestamp", "Time of creation, set by the server."),
    ("deletionGracePeriodSeconds", "Seconds that the object is given to end; set when it is deleted."),
    ("deletionTimestamp", "Time of the request to delete the object; it goes when its finalizers are gone."),
    ("finalizers", "Who must do something before the object may go; the last one to leave lets it."),
    ("generateName", "Beginning of a name that the server completes, when `name` is empty."),
    ("generation", "Counts the changes of what is wanted; set by the server."),
    ("labels", "Keys and values by which objects are selected."),
    ("managedFields", "Which manager owns which fields; kept by the server."),
    ("name", "Name, unique among the objects of this kind in the namespace."),
    ("namespace", "The namespace that the object lives in; empty for kinds that live in none."),
    ("ownerReferences", "Objects without which this one goes too."),
    ("remainingItemCount", "How many items the parts to come have, where that is known."),
    ("resourceVersion", "Version of the object, for comparisons and watches; set by the server."),
    ("selfLink", "No longer set."),
    ("uid", "Identity of the object, never used again; set by the server."),
];
