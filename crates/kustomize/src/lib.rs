//! Directory view to a list of resources, as kustomize build prints them.
