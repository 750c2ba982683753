//! The functions of rules beside those of CEL itself.
//!
//! Follows: the CEL libraries of apiserver 1.36, and those of cel-go that it takes.

use std::sync::LazyLock;

use sealfast_k8s::expression::overloads::{Declared, Functions, LIBRARY, OPTIONALS, SETS, STANDARD, STRINGS};

/// What rules may call.
pub(crate) static FUNCTIONS: LazyLock<Functions> = LazyLock::new(|| Functions::new(&LIBRARIES, &LIBRARY));
/// What expressions that make patches may call.
pub(crate) static OF_PATCHES: LazyLock<Functions> = LazyLock::new(|| {
    let libraries: Vec<&[Declared]> = LIBRARIES.into_iter().chain([PATCHES]).collect();
    Functions::new(&libraries, &LIBRARY)
});

const LIBRARIES: [&[Declared]; 12] =
    [STANDARD, OPTIONALS, STRINGS, LISTS, SETS, LOOPS, REGEX, URLS, ADDRESSES, QUANTITIES, FORMATS, ACCESS];

const LISTS: &[Declared] = &[
    ("slice", &[("list_slice", "[A].(ii)[A]")]),
    ("flatten", &[("list_flatten", "[[A]].()[A]"), ("list_flatten_int", "[*].(i)[*]")]),
    ("sort", &[("list_sort", "[%].()[%]")]),
    ("@sortByAssociatedKeys", &[("list_sortByAssociatedKeys", "[A].([%])[A]")]),
    ("lists.range", &[("lists_range", "(i)[i]")]),
    ("reverse", &[("list_reverse", "[A].()[A]")]),
    ("distinct", &[("list_distinct", "[A].()[A]")]),
    ("isSorted", &[("list_is_sorted", "[%].()b")]),
    (
        "sum",
        &[
            ("list_int_sum", "[i].()i"),
            ("list_uint_sum", "[u].()u"),
            ("list_double_sum", "[d].()d"),
            ("list_duration_sum", "[D].()D"),
        ],
    ),
    ("max", &[("list_max", "[%].()%")]),
    ("min", &[("list_min", "[%].()%")]),
    ("indexOf", &[("list_a_index_of_int", "[A].(A)i")]),
    ("lastIndexOf", &[("list_a_last_index_of_int", "[A].(A)i")]),
];

const LOOPS: &[Declared] = &[(
    "cel.@mapInsert",
    &[("map_insert_key_value", "({A:B}AB){A:B}"), ("map_insert_map", "({A:B}{A:B}){A:B}")],
)];

const REGEX: &[Declared] = &[
    ("find", &[("string_find_string", "s.(s)s")]),
    ("findAll", &[("string_find_all_string", "s.(s)[s]"), ("string_find_all_string_int", "s.(si)[s]")]),
];

const URLS: &[Declared] = &[
    ("url", &[("string_to_url", "(s)<kubernetes.URL>")]),
    ("isURL", &[("is_url_string", "(s)b")]),
    ("getScheme", &[("url_get_scheme", "<kubernetes.URL>.()s")]),
    ("getHost", &[("url_get_host", "<kubernetes.URL>.()s")]),
    ("getHostname", &[("url_get_hostname", "<kubernetes.URL>.()s")]),
    ("getPort", &[("url_get_port", "<kubernetes.URL>.()s")]),
    ("getEscapedPath", &[("url_get_escaped_path", "<kubernetes.URL>.()s")]),
    ("getQuery", &[("url_get_query", "<kubernetes.URL>.(){s:[s]}")]),
];

const ADDRESSES: &[Declared] = &[
    ("ip", &[("string_to_ip", "(s)<net.IP>"), ("cidr_ip", "<net.CIDR>.()<net.IP>")]),
    ("family", &[("ip_family", "<net.IP>.()i")]),
    ("ip.isCanonical", &[("ip_is_canonical", "(s)b")]),
    ("isUnspecified", &[("ip_is_unspecified", "<net.IP>.()b")]),
    ("isLoopback", &[("ip_is_loopback", "<net.IP>.()b")]),
    ("isLinkLocalMulticast", &[("ip_is_link_local_multicast", "<net.IP>.()b")]),
    ("isLinkLocalUnicast", &[("ip_is_link_local_unicast", "<net.IP>.()b")]),
    ("isGlobalUnicast", &[("ip_is_global_unicast", "<net.IP>.()b")]),
    ("isIP", &[("is_ip", "(s)b")]),
    ("string", &[("ip_to_string", "(<net.IP>)s"), ("cidr_to_string", "(<net.CIDR>)s")]),
    ("cidr", &[("string_to_cidr", "(s)<net.CIDR>")]),
    (
        "containsIP",
        &[("cidr_contains_ip_string", "<net.CIDR>.(s)b"), ("cidr_contains_ip_ip", "<net.CIDR>.(<net.IP>)b")],
    ),
    (
        "containsCIDR",
        &[
            ("cidr_contains_cidr_string", "<net.CIDR>.(s)b"),
            ("cidr_contains_cidr", "<net.CIDR>.(<net.CIDR>)b"),
        ],
    ),
    ("prefixLength", &[("cidr_prefix_length", "<net.CIDR>.()i")]),
    ("masked", &[("cidr_masked", "<net.CIDR>.()<net.CIDR>")]),
    ("isCIDR", &[("is_cidr", "(s)b")]),
];

const QUANTITIES: &[Declared] = &[
    ("quantity", &[("string_to_quantity", "(s)<kubernetes.Quantity>")]),
    ("isQuantity", &[("is_quantity_string", "(s)b")]),
    ("sign", &[("quantity_sign", "(<kubernetes.Quantity>)i")]),
    (
        "isGreaterThan",
        &[
            ("quantity_is_greater_than", "<kubernetes.Quantity>.(<kubernetes.Quantity>)b"),
            ("semver_is_greater_than", "<kubernetes.Semver>.(<kubernetes.Semver>)b"),
        ],
    ),
    (
        "isLessThan",
        &[
            ("quantity_is_less_than", "<kubernetes.Quantity>.(<kubernetes.Quantity>)b"),
            ("semver_is_less_than", "<kubernetes.Semver>.(<kubernetes.Semver>)b"),
        ],
    ),
    (
        "compareTo",
        &[
            ("quantity_compare_to", "<kubernetes.Quantity>.(<kubernetes.Quantity>)i"),
            ("semver_compare_to", "<kubernetes.Semver>.(<kubernetes.Semver>)i"),
        ],
    ),
    ("asApproximateFloat", &[("quantity_get_float", "<kubernetes.Quantity>.()d")]),
    ("asInteger", &[("quantity_get_int", "<kubernetes.Quantity>.()i")]),
    ("isInteger", &[("quantity_is_integer", "<kubernetes.Quantity>.()b")]),
    (
        "add",
        &[
            ("quantity_add", "<kubernetes.Quantity>.(<kubernetes.Quantity>)<kubernetes.Quantity>"),
            ("quantity_add_int", "<kubernetes.Quantity>.(i)<kubernetes.Quantity>"),
        ],
    ),
    (
        "sub",
        &[
            ("quantity_sub", "<kubernetes.Quantity>.(<kubernetes.Quantity>)<kubernetes.Quantity>"),
            ("quantity_sub_int", "<kubernetes.Quantity>.(i)<kubernetes.Quantity>"),
        ],
    ),
    (
        "semver",
        &[
            ("string_to_semver", "(s)<kubernetes.Semver>"),
            ("string_bool_to_semver", "(sb)<kubernetes.Semver>"),
        ],
    ),
    ("isSemver", &[("is_semver_string", "(s)b"), ("is_semver_string_bool", "(sb)b")]),
    ("major", &[("semver_major", "<kubernetes.Semver>.()i")]),
    ("minor", &[("semver_minor", "<kubernetes.Semver>.()i")]),
    ("patch", &[("semver_patch", "<kubernetes.Semver>.()i")]),
];

const FORMATS: &[Declared] = &[
    ("format.named", &[("format-named", "(s)?<kubernetes.NamedFormat>")]),
    ("validate", &[("format-validate", "<kubernetes.NamedFormat>.(s)?[s]")]),
    ("format.dns1123Label", &[("format.dns1123Label", "()<kubernetes.NamedFormat>")]),
    ("format.dns1123Subdomain", &[("format.dns1123Subdomain", "()<kubernetes.NamedFormat>")]),
    ("format.dns1035Label", &[("format.dns1035Label", "()<kubernetes.NamedFormat>")]),
    ("format.qualifiedName", &[("format.qualifiedName", "()<kubernetes.NamedFormat>")]),
    ("format.dns1123LabelPrefix", &[("format.dns1123LabelPrefix", "()<kubernetes.NamedFormat>")]),
    ("format.dns1123SubdomainPrefix", &[("format.dns1123SubdomainPrefix", "()<kubernetes.NamedFormat>")]),
    ("format.dns1035LabelPrefix", &[("format.dns1035LabelPrefix", "()<kubernetes.NamedFormat>")]),
    ("format.labelValue", &[("format.labelValue", "()<kubernetes.NamedFormat>")]),
    ("format.uri", &[("format.uri", "()<kubernetes.NamedFormat>")]),
    ("format.uuid", &[("format.uuid", "()<kubernetes.NamedFormat>")]),
    ("format.byte", &[("format.byte", "()<kubernetes.NamedFormat>")]),
    ("format.date", &[("format.date", "()<kubernetes.NamedFormat>")]),
    ("format.datetime", &[("format.datetime", "()<kubernetes.NamedFormat>")]),
];

const ACCESS: &[Declared] = &[
    (
        "path",
        &[(
            "authorizer_path",
            "<kubernetes.authorization.Authorizer>.(s)<kubernetes.authorization.PathCheck>",
        )],
    ),
    (
        "group",
        &[(
            "authorizer_group",
            "<kubernetes.authorization.Authorizer>.(s)<kubernetes.authorization.GroupCheck>",
        )],
    ),
    (
        "serviceAccount",
        &[(
            "authorizer_serviceaccount",
            "<kubernetes.authorization.Authorizer>.(ss)<kubernetes.authorization.Authorizer>",
        )],
    ),
    (
        "resource",
        &[(
            "groupcheck_resource",
            "<kubernetes.authorization.GroupCheck>.(s)<kubernetes.authorization.ResourceCheck>",
        )],
    ),
    ("subresource", &[("resourcecheck_subresource", OF_RESOURCE)]),
    ("namespace", &[("resourcecheck_namespace", OF_RESOURCE)]),
    ("name", &[("resourcecheck_name", OF_RESOURCE)]),
    ("fieldSelector", &[("authorizer_fieldselector", OF_RESOURCE)]),
    ("labelSelector", &[("authorizer_labelselector", OF_RESOURCE)]),
    (
        "check",
        &[
            (
                "pathcheck_check",
                "<kubernetes.authorization.PathCheck>.(s)<kubernetes.authorization.Decision>",
            ),
            (
                "resourcecheck_check",
                "<kubernetes.authorization.ResourceCheck>.(s)<kubernetes.authorization.Decision>",
            ),
        ],
    ),
    ("errored", &[("decision_errored", "<kubernetes.authorization.Decision>.()b")]),
    ("error", &[("decision_error", "<kubernetes.authorization.Decision>.()s")]),
    ("allowed", &[("decision_allowed", "<kubernetes.authorization.Decision>.()b")]),
    ("reason", &[("decision_reason", "<kubernetes.authorization.Decision>.()s")]),
];
const OF_RESOURCE: &str =
    "<kubernetes.authorization.ResourceCheck>.(s)<kubernetes.authorization.ResourceCheck>";

const PATCHES: &[Declared] = &[("jsonpatch.escapeKey", &[("string_jsonpatch_escapeKey_string", "(s)s")])];
