{{- define "tracing.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "tracing.labels" -}}
{{ include "tracing.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "tracing.selector" -}}
app.kubernetes.io/name: tracing-operator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* What is cluster-wide says whose it is. */}}
{{- define "tracing.clusterName" -}}
{{ include "tracing.name" . }}.{{ .Release.Namespace }}
{{- end }}

{{/* Mutating webhooks are called in the order of these names: a digit comes before opentelemetry-operator's. */}}
{{- define "tracing.takeOverName" -}}
0.{{ include "tracing.clusterName" . }}
{{- end }}

{{- define "tracing.image" -}}
{{ with .root.Values.imageRegistry }}{{ . }}/{{ end }}{{ .image.repository }}:{{ .image.tag | default .root.Chart.AppVersion }}{{ with .image.digest }}@{{ . }}{{ end }}
{{- end }}

{{/* The folder with a certificate that somebody else keeps, and the Secret that it comes from. */}}
{{- define "tracing.mountedCertificate" -}}
{{- if and .Values.certManager.enabled .Values.webhook.certificateSecret }}
{{- fail "certManager.enabled and webhook.certificateSecret exclude each other: either cert-manager keeps the webhook's certificate, or you do" }}
{{- end }}
{{- if .Values.certManager.enabled }}
{{- include "tracing.name" . }}-certificate
{{- else }}
{{- .Values.webhook.certificateSecret }}
{{- end }}
{{- end }}

{{/* Nothing; an error where values cannot go together that a schema cannot compare. */}}
{{- define "tracing.checked" -}}
{{- $ports := list }}
{{- range .Values.ports }}
{{- /* One given by --set is of another type. */}}
{{- $ports = append $ports (int .) }}
{{- end }}
{{- if ne (len $ports) (len (uniq $ports)) }}
{{- fail (printf "ports: two of them are the same, in %s: each needs one of its own, e.g. webhook 9443, reports 9444, page 9445, probes 8080" (toJson .Values.ports)) }}
{{- end }}
{{- end }}

{{/* Namespaces whose pods are never looked at. */}}
{{- define "tracing.excluded" -}}
{{ concat (list "kube-system" .Release.Namespace) .Values.webhook.excludedNamespaces | uniq | toYaml }}
{{- end }}
