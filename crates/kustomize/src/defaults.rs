//! Built-in tables: which fields carry labels, names, references.
//!
//! One line a field: `path create|find kinds`, a kind as `group/version/kind` with empty parts for
//! "any" and `*` for every kind. Follows: the default transformer configuration of kustomize 5.8.1.
//! Its rule for IngressClass names a group that no object has and is left out.

/// Name prefixes and suffixes.
pub(crate) const NAMES: &str = "metadata/name find *\n";

/// Namespaces beside `metadata.namespace`, which is built in.
pub(crate) const NAMESPACES: &str = "\
metadata/name create /v1/Namespace
spec/service/namespace create apiregistration.k8s.io//APIService
spec/conversion/webhook/clientConfig/service/namespace find apiextensions.k8s.io//CustomResourceDefinition
";

/// Images.
pub(crate) const IMAGES: &str = "\
spec/containers[]/image create *
spec/initContainers[]/image create *
spec/volumes[]/image/reference create *
spec/template/spec/containers[]/image create *
spec/template/spec/initContainers[]/image create *
spec/template/spec/volumes[]/image/reference create *
";

/// Replica counts.
pub(crate) const REPLICAS: &str =
    "spec/replicas create //Deployment //StatefulSet //ReplicaSet //ReplicationController\n";

/// Selectors, changed by labels that include them.
pub(crate) const SELECTOR_LABELS: &str = "\
spec/selector create /v1/Service /v1/ReplicationController
spec/selector/matchLabels create //Deployment //ReplicaSet //DaemonSet apps//StatefulSet
spec/template/spec/affinity/podAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels find apps//Deployment apps//StatefulSet
spec/template/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels find apps//Deployment apps//StatefulSet
spec/template/spec/affinity/podAntiAffinity/preferredDuringSchedulingIgnoredDuringExecution/podAffinityTerm/labelSelector/matchLabels find apps//Deployment apps//StatefulSet
spec/template/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution/labelSelector/matchLabels find apps//Deployment apps//StatefulSet
spec/template/spec/topologySpreadConstraints/labelSelector/matchLabels find apps//Deployment apps//StatefulSet
spec/selector/matchLabels find batch//Job policy//PodDisruptionBudget
spec/jobTemplate/spec/selector/matchLabels find batch//CronJob
spec/podSelector/matchLabels find networking.k8s.io//NetworkPolicy
spec/ingress/from/podSelector/matchLabels find networking.k8s.io//NetworkPolicy
spec/egress/to/podSelector/matchLabels find networking.k8s.io//NetworkPolicy
";

/// Labels of the object and of what it makes.
pub(crate) const METADATA_LABELS: &str = "\
metadata/labels create *
spec/template/metadata/labels create /v1/ReplicationController //Deployment //ReplicaSet //DaemonSet apps//StatefulSet batch//Job
spec/volumeClaimTemplates[]/metadata/labels create apps//StatefulSet
spec/jobTemplate/metadata/labels create batch//CronJob
spec/jobTemplate/spec/template/metadata/labels create batch//CronJob
";

/// Annotations of the object and of what it makes.
pub(crate) const ANNOTATIONS: &str = "\
metadata/annotations create *
spec/template/metadata/annotations create /v1/ReplicationController //Deployment //ReplicaSet //DaemonSet //StatefulSet batch//Job
spec/jobTemplate/metadata/annotations create batch//CronJob
spec/jobTemplate/spec/template/metadata/annotations create batch//CronJob
";

/// Where variables are replaced.
pub(crate) const VARIABLES: &str = "\
spec/jobTemplate/spec/template/spec/containers/args find //CronJob
spec/jobTemplate/spec/template/spec/containers/command find //CronJob
spec/jobTemplate/spec/template/spec/containers/env/value find //CronJob
spec/jobTemplate/spec/template/spec/containers/volumeMounts/mountPath find //CronJob
spec/jobTemplate/spec/template/spec/initContainers/args find //CronJob
spec/jobTemplate/spec/template/spec/initContainers/command find //CronJob
spec/jobTemplate/spec/template/spec/initContainers/env/value find //CronJob
spec/jobTemplate/spec/template/spec/initContainers/volumeMounts/mountPath find //CronJob
spec/jobTemplate/spec/template/volumes/nfs/server find //CronJob
spec/template/spec/containers/args find //DaemonSet //Deployment //Job //ReplicaSet //StatefulSet
spec/template/spec/containers/command find //DaemonSet //Deployment //Job //ReplicaSet //StatefulSet
spec/template/spec/containers/env/value find //DaemonSet //Deployment //Job //ReplicaSet //StatefulSet
spec/template/spec/containers/volumeMounts/mountPath find //DaemonSet //Deployment //Job //ReplicaSet //StatefulSet
spec/template/spec/initContainers/args find //DaemonSet //Deployment //Job //ReplicaSet //StatefulSet
spec/template/spec/initContainers/command find //DaemonSet //Deployment //Job //ReplicaSet //StatefulSet
spec/template/spec/initContainers/env/value find //DaemonSet //Deployment //Job //ReplicaSet //StatefulSet
spec/template/spec/initContainers/volumeMounts/mountPath find //DaemonSet //Deployment //Job //ReplicaSet //StatefulSet
spec/template/spec/volumes/nfs/server find //DaemonSet //Deployment //Job //ReplicaSet
spec/template/metadata/annotations find //Deployment
spec/rules/host find //Ingress
spec/tls/hosts find //Ingress
spec/tls/secretName find //Ingress
spec/containers/args find //Pod
spec/containers/command find //Pod
spec/containers/env/value find //Pod
spec/containers/volumeMounts/mountPath find //Pod
spec/initContainers/args find //Pod
spec/initContainers/command find //Pod
spec/initContainers/env/value find //Pod
spec/initContainers/volumeMounts/mountPath find //Pod
spec/volumes/nfs/server find //Pod
spec/ports/port find //Service
spec/ports/targetPort find //Service
spec/volumeClaimTemplates/spec/nfs/server find //StatefulSet
spec/nfs/server find //PersistentVolume
metadata/labels find *
metadata/annotations find *
";

/// Which fields refer to which kind: kind, path, referring kinds.
pub(crate) const REFERENCES: &str = "\
//Deployment spec/scaleTargetRef/name //HorizontalPodAutoscaler
//ReplicationController spec/scaleTargetRef/name //HorizontalPodAutoscaler
//ReplicaSet spec/scaleTargetRef/name //HorizontalPodAutoscaler
//StatefulSet spec/scaleTargetRef/name //HorizontalPodAutoscaler
/v1/ConfigMap spec/volumes/configMap/name /v1/Pod
/v1/ConfigMap spec/containers/env/valueFrom/configMapKeyRef/name /v1/Pod
/v1/ConfigMap spec/initContainers/env/valueFrom/configMapKeyRef/name /v1/Pod
/v1/ConfigMap spec/containers/envFrom/configMapRef/name /v1/Pod
/v1/ConfigMap spec/initContainers/envFrom/configMapRef/name /v1/Pod
/v1/ConfigMap spec/volumes/projected/sources/configMap/name /v1/Pod
/v1/ConfigMap template/spec/volumes/configMap/name //PodTemplate
/v1/ConfigMap template/spec/containers/env/valueFrom/configMapKeyRef/name //PodTemplate
/v1/ConfigMap template/spec/initContainers/env/valueFrom/configMapKeyRef/name //PodTemplate
/v1/ConfigMap template/spec/containers/envFrom/configMapRef/name //PodTemplate
/v1/ConfigMap template/spec/initContainers/envFrom/configMapRef/name //PodTemplate
/v1/ConfigMap template/spec/volumes/projected/sources/configMap/name //PodTemplate
/v1/ConfigMap spec/template/spec/volumes/configMap/name //Deployment //ReplicaSet //DaemonSet //StatefulSet //Job
/v1/ConfigMap spec/template/spec/containers/env/valueFrom/configMapKeyRef/name //Deployment //ReplicaSet //DaemonSet //StatefulSet //Job
/v1/ConfigMap spec/template/spec/initContainers/env/valueFrom/configMapKeyRef/name //Deployment //ReplicaSet //DaemonSet //StatefulSet //Job
/v1/ConfigMap spec/template/spec/containers/envFrom/configMapRef/name //Deployment //ReplicaSet //DaemonSet //StatefulSet //Job
/v1/ConfigMap spec/template/spec/initContainers/envFrom/configMapRef/name //Deployment //ReplicaSet //DaemonSet //StatefulSet //Job
/v1/ConfigMap spec/template/spec/volumes/projected/sources/configMap/name //Deployment //ReplicaSet //DaemonSet //StatefulSet //Job
/v1/ConfigMap spec/jobTemplate/spec/template/spec/volumes/configMap/name //CronJob
/v1/ConfigMap spec/jobTemplate/spec/template/spec/volumes/projected/sources/configMap/name //CronJob
/v1/ConfigMap spec/jobTemplate/spec/template/spec/containers/env/valueFrom/configMapKeyRef/name //CronJob
/v1/ConfigMap spec/jobTemplate/spec/template/spec/initContainers/env/valueFrom/configMapKeyRef/name //CronJob
/v1/ConfigMap spec/jobTemplate/spec/template/spec/containers/envFrom/configMapRef/name //CronJob
/v1/ConfigMap spec/jobTemplate/spec/template/spec/initContainers/envFrom/configMapRef/name //CronJob
/v1/ConfigMap spec/configSource/configMap //Node
/v1/ConfigMap rules/resourceNames //Role //ClusterRole
/v1/ConfigMap metadata/annotations/nginx.ingress.kubernetes.io\\/fastcgi-params-configmap //Ingress
/v1/Secret spec/volumes/secret/secretName /v1/Pod
/v1/Secret spec/containers/env/valueFrom/secretKeyRef/name /v1/Pod
/v1/Secret spec/initContainers/env/valueFrom/secretKeyRef/name /v1/Pod
/v1/Secret spec/containers/envFrom/secretRef/name /v1/Pod
/v1/Secret spec/initContainers/envFrom/secretRef/name /v1/Pod
/v1/Secret spec/imagePullSecrets/name /v1/Pod
/v1/Secret spec/volumes/projected/sources/secret/name /v1/Pod
/v1/Secret template/spec/volumes/secret/secretName //PodTemplate
/v1/Secret template/spec/containers/env/valueFrom/secretKeyRef/name //PodTemplate
/v1/Secret template/spec/initContainers/env/valueFrom/secretKeyRef/name //PodTemplate
/v1/Secret template/spec/containers/envFrom/secretRef/name //PodTemplate
/v1/Secret template/spec/initContainers/envFrom/secretRef/name //PodTemplate
/v1/Secret template/spec/imagePullSecrets/name //PodTemplate
/v1/Secret template/spec/volumes/projected/sources/secret/name //PodTemplate
/v1/Secret spec/template/spec/volumes/secret/secretName //Deployment //ReplicaSet //DaemonSet //StatefulSet //Job
/v1/Secret spec/template/spec/containers/env/valueFrom/secretKeyRef/name //Deployment //ReplicaSet //DaemonSet //StatefulSet //Job serving.knative.dev/v1/Service
/v1/Secret spec/template/spec/initContainers/env/valueFrom/secretKeyRef/name //Deployment //ReplicaSet //DaemonSet //StatefulSet //Job
/v1/Secret spec/template/spec/containers/envFrom/secretRef/name //Deployment //ReplicaSet //DaemonSet //StatefulSet //Job
/v1/Secret spec/template/spec/initContainers/envFrom/secretRef/name //Deployment //ReplicaSet //DaemonSet //StatefulSet //Job
/v1/Secret spec/template/spec/imagePullSecrets/name //Deployment //ReplicaSet //DaemonSet //StatefulSet //Job
/v1/Secret spec/template/spec/volumes/projected/sources/secret/name //Deployment //ReplicaSet //DaemonSet //StatefulSet //Job
/v1/Secret spec/jobTemplate/spec/template/spec/volumes/secret/secretName //CronJob
/v1/Secret spec/jobTemplate/spec/template/spec/volumes/projected/sources/secret/name //CronJob
/v1/Secret spec/jobTemplate/spec/template/spec/containers/env/valueFrom/secretKeyRef/name //CronJob
/v1/Secret spec/jobTemplate/spec/template/spec/initContainers/env/valueFrom/secretKeyRef/name //CronJob
/v1/Secret spec/jobTemplate/spec/template/spec/containers/envFrom/secretRef/name //CronJob
/v1/Secret spec/jobTemplate/spec/template/spec/initContainers/envFrom/secretRef/name //CronJob
/v1/Secret spec/jobTemplate/spec/template/spec/imagePullSecrets/name //CronJob
/v1/Secret spec/tls/secretName //Ingress
/v1/Secret metadata/annotations/ingress.kubernetes.io\\/auth-secret //Ingress
/v1/Secret metadata/annotations/nginx.ingress.kubernetes.io\\/auth-secret //Ingress
/v1/Secret metadata/annotations/nginx.ingress.kubernetes.io\\/auth-tls-secret //Ingress
/v1/Secret imagePullSecrets/name //ServiceAccount
/v1/Secret parameters/secretName //StorageClass
/v1/Secret parameters/adminSecretName //StorageClass
/v1/Secret parameters/userSecretName //StorageClass
/v1/Secret parameters/secretRef //StorageClass
/v1/Secret rules/resourceNames //Role //ClusterRole
/v1/Secret spec/azureFile/secretName //PersistentVolume
/v1/Service spec/serviceName apps//StatefulSet
/v1/Service spec/rules/http/paths/backend/serviceName //Ingress
/v1/Service spec/backend/serviceName //Ingress
/v1/Service spec/rules/http/paths/backend/service/name //Ingress
/v1/Service spec/defaultBackend/service/name //Ingress
/v1/Service spec/service/name apiregistration.k8s.io//APIService
/v1/Service webhooks/clientConfig/service admissionregistration.k8s.io//ValidatingWebhookConfiguration admissionregistration.k8s.io//MutatingWebhookConfiguration
rbac.authorization.k8s.io//Role roleRef/name rbac.authorization.k8s.io//RoleBinding
rbac.authorization.k8s.io//ClusterRole roleRef/name rbac.authorization.k8s.io//RoleBinding rbac.authorization.k8s.io//ClusterRoleBinding
/v1/ServiceAccount subjects rbac.authorization.k8s.io//RoleBinding rbac.authorization.k8s.io//ClusterRoleBinding
/v1/ServiceAccount spec/serviceAccountName //Pod
/v1/ServiceAccount spec/template/spec/serviceAccountName //StatefulSet //Deployment //ReplicationController //Job //DaemonSet
/v1/ServiceAccount spec/jobTemplate/spec/template/spec/serviceAccountName //CronJob
/v1/PersistentVolumeClaim spec/volumes/persistentVolumeClaim/claimName //Pod
/v1/PersistentVolumeClaim spec/template/spec/volumes/persistentVolumeClaim/claimName //StatefulSet //Deployment //ReplicationController //Job //DaemonSet
/v1/PersistentVolumeClaim spec/jobTemplate/spec/template/spec/volumes/persistentVolumeClaim/claimName //CronJob
/v1/PersistentVolume spec/volumeName //PersistentVolumeClaim
/v1/PersistentVolume rules/resourceNames //ClusterRole
storage.k8s.io/v1/StorageClass spec/storageClassName //PersistentVolume //PersistentVolumeClaim
storage.k8s.io/v1/StorageClass spec/volumeClaimTemplates/spec/storageClassName //StatefulSet
scheduling.k8s.io/v1/PriorityClass spec/priorityClassName //Pod
scheduling.k8s.io/v1/PriorityClass spec/template/spec/priorityClassName //StatefulSet //Deployment //ReplicationController //Job //DaemonSet
scheduling.k8s.io/v1/PriorityClass spec/jobTemplate/spec/template/spec/priorityClassName //CronJob
admissionregistration.k8s.io//ValidatingAdmissionPolicy spec/policyName admissionregistration.k8s.io//ValidatingAdmissionPolicyBinding
";
