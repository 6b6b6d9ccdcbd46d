{{- define "nested-docker.name" -}}
{{ .Release.Name }}-operator
{{- end }}

{{- define "nested-docker.selector" -}}
app.kubernetes.io/name: nested-docker
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "nested-docker.labels" -}}
{{ include "nested-docker.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/component: operator
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "nested-docker.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "nested-docker.subjects" -}}
- kind: ServiceAccount
  name: {{ include "nested-docker.name" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* What the operator does with the kinds that live in the namespaces it serves. */}}
{{- define "nested-docker.namespacedRules" -}}
# Deleted are those whose ttlSecondsAfterFinished has passed.
- apiGroups: [nesteddocker.dev]
  resources: [nesteddockers]
  verbs: [list, watch, delete]
- apiGroups: [nesteddocker.dev]
  resources: [nesteddockers/status]
  verbs: [patch]
# To write an owner reference that blocks its owner's deletion.
- apiGroups: [nesteddocker.dev]
  resources: [nesteddockers/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [pods, services, secrets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
# A claim's end is its owner's affair, or its user's.
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

{{/* What the operator reads of the cluster, and never writes. */}}
{{- define "nested-docker.clusterRules" -}}
- apiGroups: [nesteddocker.dev]
  resources: [nesteddockerclasses, nesteddockerpolicies]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get, list, watch]
- apiGroups: [""]
  resources: [nodes]
  verbs: [list, watch]
- apiGroups: [node.k8s.io]
  resources: [runtimeclasses]
  verbs: [list, watch]
# kopf learns from them which kinds there are.
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  verbs: [list, watch]
{{- end }}
