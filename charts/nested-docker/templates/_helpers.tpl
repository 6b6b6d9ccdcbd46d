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

{{/* What the operator does with the kinds that live in the namespaces it serves. */}}
{{- define "nested-docker.namespacedRules" -}}
- apiGroups: [nesteddocker.dev]
  resources: [nesteddockers]
  verbs: [get, list, watch, delete]
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
# A claim is made and looked at; its end is its owner's affair.
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

{{/* What the operator reads of the cluster. */}}
{{- define "nested-docker.clusterRules" -}}
- apiGroups: [nesteddocker.dev]
  resources: [nesteddockerclasses, nesteddockerpolicies]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [namespaces, nodes]
  verbs: [list, watch]
- apiGroups: [node.k8s.io]
  resources: [runtimeclasses]
  verbs: [list, watch]
- apiGroups: [apiextensions.k8s.io]
  resources: [customresourcedefinitions]
  verbs: [list, watch]
{{- end }}
