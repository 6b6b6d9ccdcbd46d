{{- define "nested-docker.name" -}}
{{ .Release.Name }}-operator
{{- end }}

{{- define "nested-docker.selector" -}}
app.kubernetes.io/name: nested-docker
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* Labels of the chart's objects. values.schema.json keeps the keys of commonLabels apart from the chart's own. */}}
{{- define "nested-docker.labels" -}}
{{ include "nested-docker.selector" . }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/component: operator
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "nested-docker.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ with .Values.image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* RE2: the operator's image, and the same name written out, as mutating webhooks and the runtime do. */}}
{{- define "nested-docker.operatorImages" -}}
{{- $image := include "nested-docker.image" . }}
{{- $first := first (splitList "/" .Values.image.repository) }}
{{- if and (contains "/" .Values.image.repository) (or (regexMatch "[.:]" $first) (eq $first "localhost")) }}
{{- regexQuoteMeta $image }}
{{- else if contains "/" .Values.image.repository }}
{{- printf "(docker\\.io/)?%s" (regexQuoteMeta $image) }}
{{- else }}
{{- printf "(docker\\.io/(library/)?)?%s" (regexQuoteMeta $image) }}
{{- end }}
{{- end }}

{{- define "nested-docker.subjects" -}}
- kind: ServiceAccount
  name: {{ include "nested-docker.name" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* The operator's user name at the API server. */}}
{{- define "nested-docker.user" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "nested-docker.name" . }}
{{- end }}

{{/* Namespaces that the operator watches; empty: all. Includes those of daemons' pods, and of node cleanup and probes. */}}
{{- define "nested-docker.namespaces" -}}
{{- with .Values.watchNamespaces }}
{{- $cleanup := ternary (list (include "nested-docker.cleanupNamespace" $)) list (or $.Values.nodeProbe.enabled (not (empty $.Values.guardrails.hostSocketPaths))) -}}
{{ concat . $.Values.podNamespaces $cleanup | uniq | toJson }}{{ else }}[]{{ end }}
{{- end }}

{{/* Secret with the root key of all certificate authorities. */}}
{{- define "nested-docker.rootKeySecret" -}}
{{- .Values.rootKeySecret | default (printf "%s-root-key" (include "nested-docker.name" .)) }}
{{- end }}

{{/* The namespace of node cleanup pods and node probes; nothing else may run there. */}}
{{- define "nested-docker.cleanupNamespace" -}}
{{- $name := .Values.cleanup.namespace | default (printf "%s-cleanup" .Release.Namespace) }}
{{- if has $name (append (concat .Values.watchNamespaces .Values.podNamespaces) .Release.Namespace) }}
{{- fail (printf "cleanup.namespace: %s is used for other pods: choose a namespace for node cleanup alone" $name) }}
{{- end }}
{{- $name }}
{{- end }}

{{/* Namespaces whose pods never get a daemon, whatever labels they have. */}}
{{- define "nested-docker.namespacesWithoutInjection" -}}
{{- $ours := list .Release.Namespace (include "nested-docker.cleanupNamespace" .) "kube-system" "kube-public" "kube-node-lease" }}
{{- concat $ours .Values.podNamespaces | uniq | toJson }}
{{- end }}

{{/*
A match condition that leaves out one change of a pod that asks for a daemon: the operator removes its own scheduling
gate, and nothing else changes.
*/}}
{{- define "nested-docker.notTheGate" -}}
- name: not-the-scheduling-gate
  expression: >-
    !(request.resource.resource == 'pods' && request.?subResource.orValue('') == '' && request.operation == 'UPDATE' &&
    'nesteddocker.dev/inject' in oldObject.metadata.?labels.orValue({}) &&
    dyn(object).spec.?schedulingGates.orValue([]) ==
    dyn(oldObject).spec.?schedulingGates.orValue([]).filter(gate, gate.name != 'nesteddocker.dev/daemon') &&
    [[dyn(object).spec, dyn(oldObject).spec], [dyn(oldObject).spec, dyn(object).spec]].all(pair,
    pair[0].all(field, field == 'schedulingGates' || field in pair[1] && pair[0][field] == pair[1][field])) &&
    object.metadata.?labels == oldObject.metadata.?labels &&
    object.metadata.?annotations == oldObject.metadata.?annotations &&
    object.metadata.?ownerReferences == oldObject.metadata.?ownerReferences &&
    object.metadata.?finalizers == oldObject.metadata.?finalizers)
{{- end }}

{{/*
What the operator does with a pod whose daemon is a sidecar, when nothing grants it any more: it notes since when, and
deletes the pod. It changes nothing else of it.
*/}}
{{- define "nested-docker.notTheSidecar" -}}
- name: not-a-denied-sidecar
  expression: >-
    !(request.resource.resource == 'pods' && request.?subResource.orValue('') == '' && oldObject != null &&
    'nesteddocker.dev/inject' in oldObject.metadata.?labels.orValue({}) &&
    oldObject.metadata.?annotations[?'nesteddocker.dev/inject-form'].orValue('') == 'Sidecar' &&
    dyn(oldObject).spec.?initContainers.orValue([]).exists(container, container.name == 'nested-docker') &&
    (request.operation == 'DELETE' || request.operation == 'UPDATE' && dyn(object).spec == dyn(oldObject).spec &&
    [[object.metadata.?annotations.orValue({}), oldObject.metadata.?annotations.orValue({})],
    [oldObject.metadata.?annotations.orValue({}), object.metadata.?annotations.orValue({})]].all(pair,
    pair[0].all(key, key == 'nesteddocker.dev/denial' || key in pair[1] && pair[0][key] == pair[1][key])) &&
    object.metadata.?labels == oldObject.metadata.?labels &&
    object.metadata.?ownerReferences == oldObject.metadata.?ownerReferences &&
    object.metadata.?finalizers == oldObject.metadata.?finalizers))
{{- end }}

{{/* Limits an admission rule to these namespaces. */}}
{{- define "nested-docker.inNamespaces" -}}
namespaceSelector:
  matchExpressions:
    - key: kubernetes.io/metadata.name
      operator: In
      values:
        {{- toYaml . | nindent 8 }}
{{- end }}

{{/* Permissions on namespaced kinds, in the namespaces that the operator watches. */}}
{{- define "nested-docker.namespacedRules" -}}
# get: before an object without a known NestedDocker is removed. delete: when ttlSecondsAfterFinished has passed.
- apiGroups: [nesteddocker.dev]
  resources: [nesteddockers]
  verbs: [get, list, watch, delete]
{{- if or .Values.podNamespaces .Values.guardrails.hostSocketPaths }}
# A finalizer keeps a NestedDocker until its objects in another namespace or on a node are gone.
- apiGroups: [nesteddocker.dev]
  resources: [nesteddockers]
  verbs: [patch]
{{- end }}
{{- if .Values.injection.enabled }}
# For pods that ask for a daemon by their label.
- apiGroups: [nesteddocker.dev]
  resources: [nesteddockers]
  verbs: [create]
{{- end }}
- apiGroups: [nesteddocker.dev]
  resources: [nesteddockers/status]
  verbs: [patch]
# Needed to set blockOwnerDeletion in owner references.
- apiGroups: [nesteddocker.dev]
  resources: [nesteddockers/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [pods, services, secrets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
# For classes with `evictions: Denied`.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
# No delete: the garbage collector or the user deletes claims.
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [get, list, watch, create, patch]
# The kubelet's Events say why a pod does not start.
- apiGroups: [""]
  resources: [events]
  verbs: [list]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}

{{/* Permissions on cluster-scoped kinds: read only, but for the facts of nodes; a SubjectAccessReview is not stored. */}}
{{- define "nested-docker.clusterRules" -}}
- apiGroups: [nesteddocker.dev]
  resources: [nesteddockerclasses, nesteddockernodes, nesteddockerpolicies]
  verbs: [list, watch]
{{- if .Values.nodeProbe.enabled }}
- apiGroups: [nesteddocker.dev]
  resources: [nesteddockernodes]
  verbs: [create]
- apiGroups: [nesteddocker.dev]
  resources: [nesteddockernodes/status]
  verbs: [patch]
{{- end }}
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [nodes]
  verbs: [list, watch]
- apiGroups: [node.k8s.io]
  resources: [runtimeclasses]
  verbs: [list, watch]
# kopf discovers kinds by them.
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  verbs: [list, watch]
{{- if .Values.webhook.enabled }}
# Whether the author of a NestedDocker may use its class, and has the permissions that it would use for them.
- apiGroups: [authorization.k8s.io]
  resources: [subjectaccessreviews]
  verbs: [create]
{{- end }}
{{- end }}

{{/* Who creates the webhook's certificate: helm, cert-manager, or the user (secret). */}}
{{- define "nested-docker.certificateFrom" -}}
{{- with .Values.webhook.certificate -}}
{{ if .existingSecret }}secret{{ else if .certManager.issuerRef.name }}cert-manager{{ else }}helm{{ end }}
{{- end }}
{{- end }}

{{/* The Secret that the pods mount. cert-manager's has another name, as helm refuses to adopt it. */}}
{{- define "nested-docker.certificateSecret" -}}
{{- $name := printf "%s-webhook" (include "nested-docker.name" .) -}}
{{- $ours := dict "helm" $name "cert-manager" (printf "%s-issued" $name) -}}
{{ get $ours (include "nested-docker.certificateFrom" .) | default .Values.webhook.certificate.existingSecret }}
{{- end }}

{{- define "nested-docker.webhookHost" -}}
{{ .Release.Name }}-webhook.{{ .Release.Namespace }}.svc
{{- end }}

{{/*
The data of the Secret that helm creates: the one in the cluster, so that an upgrade changes nothing, else a
new certificate whose CA key is discarded. Cached in the values, as Secret, webhook configuration and pods must
all get the same one.
*/}}
{{- define "nested-docker.certificate" -}}
{{- if not (hasKey .Values.webhook "made") }}
{{- $there := (lookup "v1" "Secret" .Release.Namespace (include "nested-docker.certificateSecret" .)).data | default dict }}
{{- if not (and (get $there "ca.crt") (get $there "tls.crt") (get $there "tls.key")) }}
{{- include "nested-docker.requireCluster" . }}
{{- $days := 3650 }}
{{- $ca := genCAWithKey "nested-docker-webhook-ca" $days (genPrivateKey "ecdsa") }}
{{- $names := list (include "nested-docker.webhookHost" .) }}
{{- $pair := genSignedCertWithKey "nested-docker-webhook" nil $names $days $ca (genPrivateKey "ecdsa") }}
{{- $there = dict "ca.crt" (b64enc $ca.Cert) "tls.crt" (b64enc $pair.Cert) "tls.key" (b64enc $pair.Key) }}
{{- end }}
{{- $_ := set .Values.webhook "made" $there }}
{{- end }}
{{- toJson .Values.webhook.made }}
{{- end }}

{{/*
Fails where Helm cannot read the cluster, as it would create another certificate each time. Every cluster has kube-system;
the release's own namespace may not exist before the first install.
*/}}
{{- define "nested-docker.requireCluster" -}}
{{- if not (or .Values.webhook.certificate.renderWithoutCluster (lookup "v1" "Namespace" "" "kube-system")) }}
{{- fail (join " " (list
  "webhook.certificate: Helm renders the chart without a cluster (helm template, --dry-run=client, Argo CD)"
  "and would create another certificate each time."
  "Name a cert-manager issuer in webhook.certificate.certManager.issuerRef.name,"
  "or your own Secret in webhook.certificate.existingSecret and its CA in webhook.certificate.caBundle;"
  "or render with --dry-run=server;"
  "or set webhook.certificate.renderWithoutCluster to true if you do not apply the result again and again.")) }}
{{- end }}
{{- end }}

{{/*
Binds a guardrail: (list $ NAME), or (list $ NAME NAMESPACES) to limit it to the release's namespaces.
*/}}
{{- define "nested-docker.binding" -}}
{{- $root := first . }}
{{- $name := printf "%s-%s" (include "nested-docker.name" $root) (index . 1) }}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ $name }}
  labels:
    {{- include "nested-docker.labels" $root | nindent 4 }}
spec:
  policyName: {{ $name }}
  validationActions: [Deny]
  {{- with rest (rest .) | first }}
  matchResources:
    {{- include "nested-docker.inNamespaces" . | nindent 4 }}
  {{- end }}
{{- end }}

{{/*
Binds a guardrail of the operator's writes to all objects of its paramKind in the request's namespace that the operator
does not manage, and that have none of the labels: (list $ NAME LABEL...).
*/}}
{{- define "nested-docker.bindingToOthers" -}}
{{- include "nested-docker.binding" (list (first .) (index . 1)) }}
  paramRef:
    selector:
      matchExpressions:
        - {key: app.kubernetes.io/managed-by, operator: NotIn, values: [nested-docker-operator]}
        {{- range rest (rest .) }}
        - {key: {{ . }}, operator: DoesNotExist}
        {{- end }}
    parameterNotFoundAction: Allow
{{- end }}

{{/* Kubernetes' own namespaces, without those that values name. */}}
{{- define "nested-docker.systemNamespaces" -}}
{{- $system := list }}
{{- range list "kube-system" "kube-public" "kube-node-lease" }}
{{- if not (has . (concat $.Values.watchNamespaces $.Values.podNamespaces)) }}
{{- $system = append $system . }}
{{- end }}
{{- end }}
{{- toJson $system }}
{{- end }}

{{/* CEL: whether a pod, by the arguments that nobody can change, is a guard or cleans a node up. */}}
{{- define "nested-docker.guarded" -}}
({{ . }}.spec.containers + {{ . }}.spec.?initContainers.orValue([])).exists(container, container.?args.orValue([]).exists(argument, argument.startsWith('--guard-rules='))) || {{ . }}.metadata.?labels[?'nesteddocker.dev/role'].orValue('') == 'cleanup'
{{- end }}

{{/*
Labels of a pod beside the operator's: (list $ NAME). Another name than the operator's, so that its Services, NetworkPolicy and
PodDisruptionBudget do not select the pod.
*/}}
{{- define "nested-docker.otherPodLabels" -}}
{{- $root := first . }}
{{- $own := dict "app.kubernetes.io/name" (index . 1) "app.kubernetes.io/instance" $root.Release.Name }}
{{- toYaml (merge $own (include "nested-docker.injectorsLabels" $root | fromYaml) $root.Values.podLabels $root.Values.commonLabels) }}
{{- end }}

{{/* By which injectors leave a pod alone: with a sidecar that goes on, no pod of a hook ends. */}}
{{- define "nested-docker.injectorsLabels" -}}
sidecar.istio.io/inject: "false"
kuma.io/sidecar-injection: disabled
admission.datadoghq.com/enabled: "false"
{{- end }}

{{/* The same for injectors that read annotations. */}}
{{- define "nested-docker.injectorsAnnotations" -}}
linkerd.io/inject: disabled
consul.hashicorp.com/connect-inject: "false"
dynatrace.com/inject: "false"
{{- end }}

{{/* Labels and annotations of a pod of a hook, (list $ NAME): those of hooks.pod* override the others. */}}
{{- define "nested-docker.hookPodMetadata" -}}
{{- $root := first . }}
{{- $labels := include "nested-docker.otherPodLabels" . | fromYaml }}
labels:
  {{- toYaml (merge (pick $labels "app.kubernetes.io/name" "app.kubernetes.io/instance") $root.Values.hooks.podLabels $labels) | nindent 2 }}
annotations:
  {{- toYaml (merge (dict) $root.Values.hooks.podAnnotations (include "nested-docker.injectorsAnnotations" $root | fromYaml) $root.Values.podAnnotations) | nindent 2 }}
{{- end }}

{{/* What pods of hooks have in common with the operator's: what admits and schedules those does so with these. */}}
{{- define "nested-docker.hookPod" -}}
restartPolicy: Never
terminationGracePeriodSeconds: 5
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- /* Affinity to pods is about the operator's replicas. */}}
{{- with .Values.affinity.nodeAffinity }}
affinity:
  nodeAffinity:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}

{{- define "nested-docker.hookContainer" -}}
image: {{ include "nested-docker.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
resources:
  {{- toYaml (.Values.hooks.resources | default .Values.resources) | nindent 2 }}
securityContext:
  {{- include "nested-docker.containerSecurityContext" . | nindent 2 }}
{{- end }}

{{/* Of the operator's container and those of hooks. Rules of a cluster may look at the container alone. */}}
{{- define "nested-docker.containerSecurityContext" -}}
runAsNonRoot: true
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Ports of the name server and of the API server. A chart cannot know their addresses. */}}
{{- define "nested-docker.apiServerEgress" -}}
- port: 53
  protocol: UDP
- port: 53
  protocol: TCP
{{- range .Values.networkPolicy.apiServerPorts }}
- port: {{ . }}
  protocol: TCP
{{- end }}
{{- end }}
