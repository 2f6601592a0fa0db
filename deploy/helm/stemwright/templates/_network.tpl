{{/*
Who may talk to whom. Takes (dict "root" $ "name" <component> "from" <components that call it> "to" <components and kinds
of parts that it calls>). Metrics are read by monitoring alone; the kubelet's probes need no rule.
*/}}
{{- define "stemwright.network-policy" -}}
{{- if .root.Values.networkPolicy.enabled }}
{{- $network := .root.Values.networkPolicy }}
{{- $root := .root }}
{{- $to := .to }}
{{- if and (has "kafka" $to) (hasPrefix "SASL" .root.Values.kafka.securityProtocol) (eq .root.Values.kafka.saslMechanism "OAUTHBEARER") }}
{{- $to = append $to "tokens" }}
{{- end }}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "stemwright.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "stemwright.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  {{- if ne .name "migrate" }}
  ingress:
    {{- if eq .name "gateway" }}
    - ports: [{port: http}]
      {{- with $network.gatewayFrom }}
      from:
        {{- $ours := list }}
        {{- range list "test" "canary" }}
        {{- $ours = append $ours (dict "podSelector" (dict "matchLabels" (include "stemwright.selector" (dict "root" $root "name" .) | fromYaml))) }}
        {{- end }}
        {{- concat . $ours | toYaml | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- with .from }}
    - ports: [{port: {{ $.port | default "http" }}}]
      from:
        {{- range . }}
        - podSelector:
            matchLabels:
              {{- include "stemwright.selector" (dict "root" $root "name" .) | nindent 14 }}
        {{- end }}
    {{- end }}
    - ports: [{port: {{ .metrics | default "admin" }}}]
      from:
        {{- toYaml $network.monitoringFrom | nindent 8 }}
  {{- end }}
  egress:
    - ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
      {{- with $network.dnsTo }}
      to:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- range $to }}
    {{- if hasKey $network.peers . }}
    {{- $peer := get $network.peers . }}
    - ports: [{{ range $index, $port := $peer.ports }}{{ if $index }}, {{ end }}{port: {{ $port }}, protocol: TCP}{{ end }}]
      {{- with $peer.to }}
      to:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- else }}
    - ports: [{port: {{ ternary "grpc" "http" (eq . "triton") }}}]
      to:
        - podSelector:
            matchLabels:
              {{- include "stemwright.selector" (dict "root" $root "name" .) | nindent 14 }}
    {{- end }}
    {{- end }}
{{- end }}
{{- end -}}
