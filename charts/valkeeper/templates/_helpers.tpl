{{- define "valkeeper.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "valkeeper.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- if contains $name .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "valkeeper.selectorLabels" -}}
app.kubernetes.io/name: {{ include "valkeeper.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "valkeeper.labels" -}}
{{ include "valkeeper.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "valkeeper.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "valkeeper.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "valkeeper.leaseName" -}}
{{- default (include "valkeeper.fullname" .) .Values.leaderElection.leaseName }}
{{- end }}

{{/* The whole image reference; a digest wins over a tag. */}}
{{- define "valkeeper.image" -}}
{{- if hasSuffix "/aiven-operator" .Values.image.repository }}
{{- fail "image.repository names the image of aiven-operator: take it, and image.tag, out of your values" }}
{{- end }}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) }}
{{- end }}
{{- end }}

{{/* The security context of pods, without the IDs that OpenShift assigns. */}}
{{- define "valkeeper.podSecurityContext" -}}
{{- $context := .Values.podSecurityContext }}
{{- if .Values.openshift }}
{{- $context = omit $context "runAsUser" "runAsGroup" "fsGroup" }}
{{- end }}
{{- toYaml $context }}
{{- end }}

{{/* The port of an address such as ":8080". */}}
{{- define "valkeeper.port" -}}
{{- regexFind "[0-9]+$" . }}
{{- end }}

{{- define "valkeeper.metricsAddress" -}}
{{- default ":8080" (toString .Values.metricsBindAddress) }}
{{- end }}

{{/* Empty and "0" turned probes off in the chart of aiven-operator; here they are always answered. */}}
{{- define "valkeeper.healthAddress" -}}
{{- $address := toString .Values.healthProbeBindAddress }}
{{- if or (eq $address "") (eq $address "0") }}:8081{{ else }}{{ $address }}{{ end }}
{{- end }}

{{/* What the operator needs where resources are; a test proves that it is all of it and nothing more. */}}
{{- define "valkeeper.rules" -}}
- apiGroups: [aiven.io]
  resources: [valkeys, redis, projectvpcs, serviceusers]
  verbs: [get, list, watch, patch]
- apiGroups: [aiven.io]
  resources: [valkeys/status, redis/status, projectvpcs/status, serviceusers/status]
  verbs: [patch]
# For the owner reference of connection Secrets, which blocks the deletion of their owner.
- apiGroups: [aiven.io]
  resources: [valkeys/finalizers, redis/finalizers, serviceusers/finalizers]
  verbs: [update]
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, create, patch{{ if (.Values.secrets).watch }}, list, watch{{ end }}]
# For connInfoConfigMapTarget.
- apiGroups: [""]
  resources: [configmaps]
  verbs: [get, create, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
# To notice aiven-operator at work, by its lease.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [40db2fac.aiven.io]
  verbs: [list]
{{- end }}

{{/* What it needs besides to run servers itself; a test proves that it is all of it and nothing more. */}}
{{- define "valkeeper.selfHostedRules" -}}
- apiGroups: [valkeeper.io]
  resources: [valkeyclusters]
  verbs: [get, list, watch, patch]
- apiGroups: [valkeeper.io]
  resources: [valkeyclusters/status]
  verbs: [patch]
# For owner references, which block the deletion of their owner.
- apiGroups: [valkeeper.io]
  resources: [valkeyclusters/finalizers, valkeyusers/finalizers]
  verbs: [update]
- apiGroups: [valkeeper.io]
  resources: [valkeybackups]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [valkeeper.io]
  resources: [valkeyscheduledbackups]
  verbs: [list, watch]
- apiGroups: [valkeeper.io]
  resources: [valkeyusers]
  verbs: [get, list, watch, patch]
- apiGroups: [valkeeper.io]
  resources: [valkeybackups/status, valkeyscheduledbackups/status, valkeyusers/status]
  verbs: [patch]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods/resize]
  verbs: [patch]
- apiGroups: [""]
  resources: [persistentvolumeclaims]
  verbs: [list, create, patch, delete]
- apiGroups: [""]
  resources: [services]
  verbs: [get, create, patch, delete]
- apiGroups: [""]
  resources: [configmaps, serviceaccounts]
  verbs: [get, create, patch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, create, patch]
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, create, patch, delete]
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, create, patch]
# The Leases of clusters: pods are granted get and patch of their own, which needs both here.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get, create, patch, delete]
{{- end }}
