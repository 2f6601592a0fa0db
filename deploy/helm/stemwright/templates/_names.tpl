{{/* Names, labels and the image. Each takes (dict "root" $ "name" <component>) unless it says otherwise. */}}

{{/* The release's name, which is part of every object's; takes the root. */}}
{{- define "stemwright.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 32 | trimSuffix "-" -}}
{{- else if contains "stemwright" .Release.Name -}}
{{- .Release.Name | trunc 32 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-stemwright" .Release.Name | trunc 32 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "stemwright.name" -}}
{{ include "stemwright.fullname" .root }}-{{ .name }}
{{- end -}}

{{/* What never changes of a pod, so that selectors may name it. */}}
{{- define "stemwright.selector" -}}
app.kubernetes.io/name: stemwright
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component | default .name }}
{{- with .pool }}
stemwright.io/pool: {{ . }}
{{- end }}
{{- end -}}

{{- define "stemwright.labels" -}}
{{ include "stemwright.selector" . }}
app.kubernetes.io/part-of: stemwright
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "stemwright.metadata" -}}
name: {{ include "stemwright.name" . }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "stemwright.labels" . | nindent 2 }}
{{- end -}}

{{/* Takes the root and the values of an image. A digest goes before a tag. */}}
{{- define "stemwright.image" -}}
{{- $repository := .image.repository -}}
{{- with .root.Values.image.registry }}{{ $repository = printf "%s/%s" . $repository }}{{ end -}}
{{- if .image.digest -}}
{{ $repository }}@{{ .image.digest }}
{{- else -}}
{{ $repository }}:{{ .image.tag | default .root.Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The services that answer HTTP, and the port that each is called on. */}}
{{- define "stemwright.port" -}}
{{ ternary 8080 8000 (eq .name "gateway") }}
{{- end -}}
