{{/*
The pools of workers, each with what it does not say itself from the defaults; takes the root, gives {"pools": [...]}.
Pools that scale may not count the same music twice.
*/}}
{{- define "stemwright.pools" -}}
{{- $pools := list -}}
{{- $shares := dict -}}
{{- $names := list -}}
{{- range .Values.workers.pools -}}
{{- $pool := mergeOverwrite (deepCopy $.Values.workers.defaults) (deepCopy .) -}}
{{- $pools = append $pools $pool -}}
{{- if has $pool.name $names -}}
{{- fail (printf "workers.pools: two are named %s" $pool.name) -}}
{{- end -}}
{{- $names = append $names $pool.name -}}
{{- if $pool.scaling.enabled -}}
{{- if gt (int $pool.scaling.minReplicas) (int $pool.scaling.maxReplicas) -}}
{{- fail (printf "workers.pools: %s has a scaling.minReplicas above its maxReplicas" $pool.name) -}}
{{- end -}}
{{- if lt (include "stemwright.threshold" (dict "targetWaitSeconds" $pool.scaling.targetWaitSeconds "speed" $pool.scaling.speed "slots" $pool.slots) | int) 1 -}}
{{- fail (printf "workers.pools: %s scales by less than a second of music; raise scaling.targetWaitSeconds or scaling.speed" $pool.name) -}}
{{- end -}}
{{- range $model := splitList "," $pool.model -}}
{{- $share := addf (get $shares $model | default 0) $pool.scaling.share -}}
{{- if gt $share 1.001 -}}
{{- fail (printf "workers.pools: several pools that scale serve %s, and the shares of its music add up to more than 1; set scaling.share of each" $model) -}}
{{- end -}}
{{- $_ := set $shares $model $share -}}
{{- end -}}
{{- end -}}
{{- if and (ne $pool.triton.mode "none") (not $.Values.triton.secret) -}}
{{- fail (printf "workers.pools: %s has Triton, which needs triton.secret" $pool.name) -}}
{{- end -}}
{{- if and (ne $pool.triton.mode "none") (eq $.Values.environment "production") (not $.Values.triton.image.digest) -}}
{{- fail (printf "workers.pools: %s has Triton, whose image needs a digest in production: triton.image.digest" $pool.name) -}}
{{- end -}}
{{- if and $pool.scaling.enabled (not $.Values.workers.prometheusUrl) -}}
{{- fail (printf "workers.pools: %s scales, which needs workers.prometheusUrl" $pool.name) -}}
{{- end -}}
{{- end -}}
{{- dict "pools" $pools | toYaml -}}
{{- end -}}

{{/* Seconds of music that one worker may have before it: what it separates while a song may wait. */}}
{{- define "stemwright.threshold" -}}
{{ mulf .targetWaitSeconds .speed .slots | floor | int }}
{{- end -}}

{{/*
Seconds of music that wait and that are not yet separated, of the pool's models. Every orchestrator tells the same number,
so the highest counts, once; several of them summed would start workers for nobody. No answer is no answer, not 0.
*/}}
{{- define "stemwright.outstanding" -}}
{{- $tiers := "" -}}
{{- with .pool.scaling.tiers }}{{ $tiers = printf ",tier=~%q" (join "|" .) }}{{ end -}}
{{- $share := "" -}}
{{- if ne (float64 .pool.scaling.share) 1.0 }}{{ $share = printf "%v * " .pool.scaling.share }}{{ end -}}
{{ $share }}sum(max by (model, tier) (stemwright_outstanding_audio_seconds{namespace={{ .root.Release.Namespace | quote }},model=~{{ .pool.model | replace "," "|" | quote }}{{ $tiers }}}))
{{- end -}}

{{/* What Triton is, beside a worker or alone; takes (dict "root" $ "pool" <pool>). */}}
{{- define "stemwright.triton-container" -}}
name: triton
image: {{ include "stemwright.image" (dict "root" .root "image" .root.Values.triton.image) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- /* Beside a worker it is the worker's user: memory that they share is the owner's alone. */}}
  {{- if eq .pool.triton.mode "deployment" }}
  runAsUser: {{ .root.Values.triton.runAsUser }}
  {{- end }}
  {{- include "stemwright.container-security" . | nindent 2 }}
command: [tritonserver]
args:
  - --model-repository=/models
  - --model-control-mode=none
  - --http-port=8010
  - --grpc-port=8011
  - --metrics-port=8012
  - --grpc-restricted-protocol=shared-memory,model-repository,trace,logging:stemwright=$(TRITON_KEY)
  - --http-restricted-api=metadata,inference,shared-memory,model-config,model-repository,statistics,trace,logging:stemwright=$(TRITON_KEY)
  - --grpc-keepalive-permit-without-calls=1
  - --grpc-http2-min-recv-ping-interval-without-data=5000
  - --exit-timeout-secs=30
env:
  - {name: HOME, value: /tmp}
  - name: TRITON_KEY
    valueFrom:
      secretKeyRef: {name: {{ .root.Values.triton.secret }}, key: {{ .root.Values.triton.key | quote }}}
ports:
  - {name: triton-http, containerPort: 8010}
  - {name: grpc, containerPort: 8011}
  - {name: triton-metrics, containerPort: 8012}
startupProbe:
  httpGet: {path: /v2/health/ready, port: triton-http}
  periodSeconds: 5
  failureThreshold: {{ div (add .pool.loadSeconds 4) 5 }}
livenessProbe:
  httpGet: {path: /v2/health/live, port: triton-http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /v2/health/ready, port: triton-http}
  periodSeconds: 5
  timeoutSeconds: 5
resources:
  {{- $resources := deepCopy .pool.triton.resources }}
  {{- if .pool.gpus }}
  {{- range list "requests" "limits" }}
  {{- $_ := set (get $resources .) $.pool.gpuResource $.pool.gpus }}
  {{- end }}
  {{- end }}
  {{- toYaml $resources | nindent 2 }}
volumeMounts:
  - {name: models, mountPath: /models, readOnly: true}
  - {name: engines, mountPath: /engines}
  - {name: triton-tmp, mountPath: /tmp}
  - {name: shm, mountPath: /dev/shm}
{{- end -}}

{{/* Lays the models out for the server, from those that our image carries. */}}
{{- define "stemwright.triton-models" -}}
{{- include "stemwright.container" (dict "root" .root "container" "models") }}
args:
  {{- concat (list "models" "triton" "/models") (splitList "," .pool.model) (list "--target" "gpu") .pool.triton.modelOptions | toYaml | nindent 2 }}
resources:
  requests: {cpu: 100m, memory: 512Mi, ephemeral-storage: 64Mi}
  limits: {cpu: "1", memory: 1Gi, ephemeral-storage: {{ .pool.triton.modelSpace }}}
volumeMounts:
  - {name: models, mountPath: /models}
  - {name: models-tmp, mountPath: /tmp}
{{- end -}}

{{- define "stemwright.triton-volumes" -}}
- name: models
  emptyDir: {sizeLimit: {{ .pool.triton.modelSpace }}}
- name: models-tmp
  emptyDir: {sizeLimit: 256Mi}
- name: engines
  emptyDir: {sizeLimit: {{ .pool.triton.modelSpace }}}
- name: triton-tmp
  emptyDir: {sizeLimit: 256Mi}
- name: shm
  emptyDir: {medium: Memory, sizeLimit: {{ .pool.triton.sharedMemory }}}
{{- end -}}
