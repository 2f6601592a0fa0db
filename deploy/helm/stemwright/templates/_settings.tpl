{{/*
What a process is told. Groups of settings are maps from a setting's name to its value, or to the entry of a secret that
has it; a process gets those groups that it needs and no secret besides. Each takes (dict "root" $ "name" <component>
"values" <its values>).
*/}}

{{/* As the list that a container has. Later groups go before earlier ones, what people set before all. */}}
{{- define "stemwright.environment" -}}
{{- $all := dict -}}
{{- $context := . -}}
{{- range $group := .groups -}}
{{- $all = mergeOverwrite $all (include (printf "stemwright.settings.%s" $group) $context | fromYaml) -}}
{{- end -}}
{{- $all = mergeOverwrite $all (deepCopy .root.Values.settings) -}}
{{- range .over }}{{ $all = mergeOverwrite $all (deepCopy .) }}{{ end -}}
{{- range $setting, $value := $all }}
- name: {{ $setting }}
  {{- if kindIs "map" $value }}
  valueFrom:
    secretKeyRef: {name: {{ $value.secret }}, key: {{ $value.key | quote }}}
  {{- else if kindIs "string" $value }}
  value: {{ $value | quote }}
  {{- else }}
  value: {{ $value | toJson | quote }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* What a process may take to end, by what it is told in the end. */}}
{{- define "stemwright.stop-seconds" -}}
{{- $all := include "stemwright.settings.service" . | fromYaml -}}
{{- if .worker }}{{ $all = mergeOverwrite $all (include "stemwright.settings.worker" . | fromYaml) }}{{ end -}}
{{- $all = mergeOverwrite $all (deepCopy .root.Values.settings) -}}
{{- range .over }}{{ $all = mergeOverwrite $all (deepCopy .) }}{{ end -}}
{{- if .worker -}}
{{- add 45 (ceil (float64 $all.STEMWRIGHT_WORKER_GRACE_SECONDS)) -}}
{{- else -}}
{{- add 10 (ceil (float64 $all.STEMWRIGHT_DRAIN_SECONDS)) (ceil (float64 $all.STEMWRIGHT_SHUTDOWN_GRACE_SECONDS)) -}}
{{- end -}}
{{- end -}}

{{- define "stemwright.settings.process" -}}
STEMWRIGHT_ENVIRONMENT: {{ .root.Values.environment }}
{{- end -}}

{{- define "stemwright.settings.service" -}}
STEMWRIGHT_HOST: 0.0.0.0
{{- if ne .name "gateway" }}
STEMWRIGHT_PORT: 8000
{{- end }}
STEMWRIGHT_ADMIN_PORT: 9000
STEMWRIGHT_DRAIN_SECONDS: 5
STEMWRIGHT_SHUTDOWN_GRACE_SECONDS: 30
STEMWRIGHT_HOME: /tmp/stemwright
{{- with .root.Values.tracing.endpoint }}
OTEL_EXPORTER_OTLP_ENDPOINT: {{ . }}
{{- end }}
{{- end -}}

{{- define "stemwright.settings.kafka" -}}
{{- $kafka := .root.Values.kafka -}}
{{- $secret := include "stemwright.kafka-secret" . -}}
KAFKA_BOOTSTRAP_SERVERS: {{ $kafka.bootstrapServers | quote }}
STEMWRIGHT_KAFKA_SECURITY_PROTOCOL: {{ $kafka.securityProtocol }}
STEMWRIGHT_KAFKA_PREFIX: {{ $kafka.prefix | quote }}
STEMWRIGHT_KAFKA_MAKE_TOPICS: false
{{- if hasPrefix "SASL" $kafka.securityProtocol }}
STEMWRIGHT_KAFKA_SASL_MECHANISM: {{ $kafka.saslMechanism }}
{{- if eq $kafka.saslMechanism "OAUTHBEARER" }}
STEMWRIGHT_KAFKA_OAUTH_TOKEN_URL: {{ $kafka.tokenUrl }}
{{- end }}
{{- if .root.Values.strimzi.users }}
STEMWRIGHT_KAFKA_SASL_USERNAME: {{ $secret }}
{{- else }}
STEMWRIGHT_KAFKA_SASL_USERNAME: {secret: {{ $secret }}, key: {{ $kafka.keys.username }}}
{{- end }}
STEMWRIGHT_KAFKA_SASL_PASSWORD: {secret: {{ $secret }}, key: {{ $kafka.keys.password }}}
{{- else if and (eq $kafka.securityProtocol "SSL") $secret }}
STEMWRIGHT_KAFKA_CERTIFICATE_FILE: /etc/stemwright/kafka/{{ $kafka.keys.certificate }}
STEMWRIGHT_KAFKA_CERTIFICATE_KEY_FILE: /etc/stemwright/kafka/{{ $kafka.keys.key }}
{{- end }}
{{- if $kafka.caSecret }}
STEMWRIGHT_KAFKA_CA_FILE: /etc/stemwright/kafka-ca/{{ $kafka.caKey }}
{{- end }}
{{- end -}}

{{- define "stemwright.settings.topics" -}}
STEMWRIGHT_KAFKA_REPLICATION_FACTOR: {{ .root.Values.kafka.replicationFactor }}
STEMWRIGHT_KAFKA_MIN_INSYNC_REPLICAS: {{ include "stemwright.min-insync-replicas" .root }}
{{- end -}}

{{/* How many replicas have to have what is written; with more than there are nothing could be. */}}
{{- define "stemwright.min-insync-replicas" -}}
{{- if gt (int .Values.kafka.minInsyncReplicas) (int .Values.kafka.replicationFactor) -}}
{{- fail "kafka: minInsyncReplicas is above replicationFactor, with which nothing can be written" -}}
{{- end -}}
{{ .Values.kafka.minInsyncReplicas }}
{{- end -}}

{{/* Of a process's own, or of all; Strimzi calls a user's secret as the user. */}}
{{- define "stemwright.kafka-secret" -}}
{{- if .root.Values.strimzi.users -}}
{{ include "stemwright.name" . }}
{{- else -}}
{{ .values.kafkaSecret | default .root.Values.kafka.secret }}
{{- end -}}
{{- end -}}

{{- define "stemwright.settings.database" -}}
{{- $made := printf "%s-database-app" (include "stemwright.fullname" .root) -}}
{{- $ours := ternary $made .root.Values.database.secret .root.Values.cloudNativePG.enabled -}}
DATABASE_URL: {secret: {{ .values.databaseSecret | default $ours }}, key: {{ ternary "uri" .root.Values.database.key .root.Values.cloudNativePG.enabled }}}
{{- end -}}

{{- define "stemwright.settings.pool" -}}
{{- with .root.Values.database.poolSize }}
STEMWRIGHT_DATABASE_POOL_SIZE: {{ . }}
{{- end }}
{{- end -}}

{{- define "stemwright.settings.store" -}}
{{- $store := .root.Values.store -}}
S3_REGION: {{ $store.region }}
S3_BUCKET: {{ $store.bucket }}
S3_MAKE_BUCKET: false
{{- with $store.endpointUrl }}
S3_ENDPOINT_URL: {{ . }}
{{- end }}
{{- with .root.Values.trust.configMap }}
AWS_CA_BUNDLE: /etc/stemwright/trust/{{ $.root.Values.trust.key }}
{{- end }}
{{- with $store.publicEndpointUrl }}
S3_PUBLIC_ENDPOINT_URL: {{ . }}
{{- end }}
{{- if $store.secret }}
S3_ACCESS_KEY_ID: {secret: {{ $store.secret }}, key: {{ $store.keys.id }}}
S3_SECRET_ACCESS_KEY: {secret: {{ $store.secret }}, key: {{ $store.keys.secret }}}
{{- end }}
{{- end -}}

{{- define "stemwright.settings.origin" -}}
{{- with .root.Values.publicUrl }}
STEMWRIGHT_ACCOUNTS_PUBLIC_URL: {{ . }}
{{- end }}
{{- end -}}

{{- define "stemwright.settings.verifier" -}}
STEMWRIGHT_JWKS_URL: http://{{ include "stemwright.fullname" .root }}-accounts:8000/.well-known/jwks.json
{{- end -}}

{{- define "stemwright.settings.gateway" -}}
{{- $full := include "stemwright.fullname" .root -}}
STEMWRIGHT_GATEWAY_PORT: {{ include "stemwright.port" . }}
{{- range $service := list "accounts" "upload" "orchestrator" "notifier" }}
STEMWRIGHT_GATEWAY_{{ upper $service }}_URL: http://{{ $full }}-{{ $service }}:8000
{{- end }}
{{- with .values.trustedProxies }}
STEMWRIGHT_GATEWAY_TRUSTED_PROXIES: {{ join "," . | quote }}
{{- end }}
{{- with .root.Values.store.publicEndpointUrl }}
STEMWRIGHT_GATEWAY_OBJECT_STORE_ORIGIN: {{ regexFind "^https?://[^/]+" . }}
{{- end }}
{{- with .root.Values.rateLimits.secret }}
STEMWRIGHT_GATEWAY_RATE_LIMIT_STORAGE: {secret: {{ . }}, key: {{ $.root.Values.rateLimits.key }}}
{{- end }}
{{- end -}}

{{- define "stemwright.settings.accounts" -}}
{{- with .root.Values.tokens.secret }}
STEMWRIGHT_ACCOUNTS_SIGNING_KEY_FILE: /etc/stemwright/tokens/{{ $.root.Values.tokens.key }}
{{- end }}
{{- with .root.Values.mail }}
{{- if .host }}
STEMWRIGHT_ACCOUNTS_SMTP_HOST: {{ .host }}
STEMWRIGHT_ACCOUNTS_SMTP_PORT: {{ .port }}
STEMWRIGHT_ACCOUNTS_SMTP_SECURITY: {{ .security }}
STEMWRIGHT_ACCOUNTS_MAIL_FROM: {{ .from | quote }}
{{- if $.root.Values.trust.configMap }}
STEMWRIGHT_ACCOUNTS_SMTP_CA_FILE: /etc/stemwright/trust/{{ $.root.Values.trust.key }}
{{- end }}
{{- if .secret }}
STEMWRIGHT_ACCOUNTS_SMTP_USERNAME: {secret: {{ .secret }}, key: {{ .keys.username }}}
STEMWRIGHT_ACCOUNTS_SMTP_PASSWORD: {secret: {{ .secret }}, key: {{ .keys.password }}}
{{- end }}
{{- else }}
STEMWRIGHT_ACCOUNTS_VERIFY_EMAIL: false
{{- end }}
{{- end }}
{{- with .root.Values.payments }}
STEMWRIGHT_ACCOUNTS_PAYMENT_PROVIDER: {{ .provider | quote }}
{{- if eq .provider "stripe" }}
STEMWRIGHT_ACCOUNTS_STRIPE_SECRET_KEY: {secret: {{ .secret }}, key: {{ .keys.secret }}}
STEMWRIGHT_ACCOUNTS_STRIPE_WEBHOOK_SECRET: {secret: {{ .secret }}, key: {{ .keys.webhook }}}
{{- end }}
{{- end }}
{{- end -}}

{{- define "stemwright.settings.notifier" -}}
{{- with .root.Values.webhooks.secret }}
STEMWRIGHT_NOTIFIER_SEALING_KEY: {secret: {{ . }}, key: {{ $.root.Values.webhooks.key }}}
{{- end }}
{{- end -}}

{{- define "stemwright.settings.canary" -}}
{{- $gateway := printf "http://%s-gateway:8080" (include "stemwright.fullname" .root) -}}
STEMWRIGHT_CANARY_URL: {{ .values.url | default $gateway }}
STEMWRIGHT_CANARY_KEY_FILE: /etc/stemwright/canary/{{ .values.key }}
STEMWRIGHT_CANARY_EVERY_MINUTES: {{ .values.everyMinutes }}
{{- end -}}

{{- define "stemwright.settings.worker" -}}
{{- $pool := .pool -}}
STEMWRIGHT_WORKER_MODEL: {{ $pool.model | quote }}
STEMWRIGHT_WORKER_DEVICE: {{ $pool.device }}
STEMWRIGHT_WORKER_SLOTS: {{ $pool.slots }}
STEMWRIGHT_WORKER_THREADS: {{ $pool.threads }}
STEMWRIGHT_WORKER_GRACE_SECONDS: {{ .root.Values.workers.graceSeconds }}
STEMWRIGHT_WORKER_TEMP_DIR: /tmp/stemwright-worker
{{- if ne $pool.triton.mode "none" }}
{{- $sidecar := eq $pool.triton.mode "sidecar" }}
STEMWRIGHT_WORKER_TRITON_ADDRESS: {{ ternary "127.0.0.1" (printf "%s-triton-%s" (include "stemwright.fullname" .root) $pool.name) $sidecar }}:8011
STEMWRIGHT_WORKER_TRITON_KEY: {secret: {{ .root.Values.triton.secret }}, key: {{ .root.Values.triton.key }}}
STEMWRIGHT_WORKER_TRITON_SHARED_MEMORY: {{ $sidecar }}
STEMWRIGHT_WORKER_TRITON_WINDOW: {{ $pool.triton.window }}
{{- end }}
{{- end -}}

{{/* Files that a process reads: certificates for Kafka, the key of tokens. As volumes, and as where they are mounted. */}}
{{- define "stemwright.files" -}}
{{- $kafka := .root.Values.kafka -}}
{{- $secret := include "stemwright.kafka-secret" . -}}
{{- if or (eq .name "canary") (and (eq .name "migrate") (ne $kafka.topics "migrate")) -}}{{- $kafka = dict "securityProtocol" "" "caSecret" "" -}}{{- end -}}
{{- if and (eq $kafka.securityProtocol "SSL") $secret }}
- {name: kafka, secret: {{ $secret }}, path: /etc/stemwright/kafka}
{{- end }}
{{- if $kafka.caSecret }}
- {name: kafka-ca, secret: {{ $kafka.caSecret }}, path: /etc/stemwright/kafka-ca}
{{- end }}
{{- if eq .name "canary" }}
- {name: canary, secret: {{ .values.secret }}, path: /etc/stemwright/canary}
{{- end }}
{{- if and (eq .name "accounts") .root.Values.tokens.secret }}
- {name: tokens, secret: {{ .root.Values.tokens.secret }}, path: /etc/stemwright/tokens}
{{- end }}
{{- end -}}

{{- define "stemwright.volumes" -}}
- name: tmp
  emptyDir: {sizeLimit: {{ .values.scratch }}}
{{- range include "stemwright.files" . | fromYamlArray }}
- name: {{ .name }}
  secret: {secretName: {{ .secret }}, defaultMode: 0440}
{{- end }}
{{- with .root.Values.trust.configMap }}
- name: trust
  configMap: {name: {{ . }}}
{{- end }}
{{- end -}}

{{- define "stemwright.trust-mount" -}}
{{- if .root.Values.trust.configMap -}}
- {name: trust, mountPath: /etc/stemwright/trust, readOnly: true}
{{- end -}}
{{- end -}}

{{- define "stemwright.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- with include "stemwright.trust-mount" . }}
{{ . }}
{{- end }}
{{- range include "stemwright.files" . | fromYamlArray }}
- {name: {{ .name }}, mountPath: {{ .path }}, readOnly: true}
{{- end }}
{{- end -}}
