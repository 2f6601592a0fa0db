{{/* What pods have in common. Each takes (dict "root" $ "name" <component> "values" <its values>) unless it says otherwise. */}}

{{/* The whole of Pod Security `restricted`; takes a user, and nothing where the cluster chooses it. */}}
{{- define "stemwright.pod-security" -}}
runAsNonRoot: true
{{- with . }}
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "stemwright.container-security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Our image in a container of a name; takes the root as well. */}}
{{- define "stemwright.container" -}}
name: {{ .container }}
image: {{ include "stemwright.image" (dict "root" .root "image" .root.Values.image) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- include "stemwright.container-security" . | nindent 2 }}
{{- end -}}

{{- define "stemwright.pod-metadata" -}}
labels:
  {{- include "stemwright.labels" . | nindent 2 }}
  {{- with .values.pods.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .values.pods.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "stemwright.pull-secrets" -}}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Spread over zones and nodes as far as there are some, and what people say of a pod's place. */}}
{{- define "stemwright.placement" -}}
{{- $class := ternary (printf "%s-%s" (include "stemwright.fullname" .root) (ternary "workers" "services" (or (eq .name "workers") (hasPrefix "triton" .name)))) "" .root.Values.priorityClasses.create -}}
{{- with .values.placement.priorityClassName | default $class }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.placement.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.placement.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- $tolerations := .values.placement.tolerations -}}
{{- if .gpu }}{{ $tolerations = prepend $tolerations (dict "key" .gpu "operator" "Exists" "effect" "NoSchedule") }}{{ end }}
{{- with $tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "stemwright.selector" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end -}}

{{/* A service waits for the schema that it knows; the migrate step makes it. */}}
{{- define "stemwright.schema-check" -}}
- {{- include "stemwright.container" (merge (dict "container" "schema") .) | nindent 2 }}
  args: [migrate, --check, {{ .name }}]
  env:
    {{- include "stemwright.environment" (merge (dict "groups" (list "process" "database") "over" (list .values.settings)) .) | trim | nindent 4 }}
  resources:
    {{- toYaml .root.Values.migrate.resources | nindent 4 }}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
    {{- with include "stemwright.trust-mount" . }}{{ . | nindent 4 }}{{ end }}
{{- end -}}

{{/* The Deployment of a service that answers HTTP. Besides: "groups", the groups of settings that it needs. */}}
{{- define "stemwright.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "stemwright.metadata" . | nindent 2 }}
spec:
  {{- if not .values.autoscaling.enabled }}
  replicas: {{ .values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  # The new pod takes requests before an old one stops.
  strategy:
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  selector:
    matchLabels:
      {{- include "stemwright.selector" . | nindent 6 }}
  template:
    metadata:
      {{- include "stemwright.pod-metadata" . | nindent 6 }}
    spec:
      serviceAccountName: {{ include "stemwright.name" . }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      {{- with include "stemwright.pull-secrets" . | trim }}{{ . | nindent 6 }}{{ end }}
      # 5 s until no load balancer sends requests any more, 30 s for what is under way, 10 s for tasks.
      terminationGracePeriodSeconds: {{ include "stemwright.stop-seconds" (merge (dict "over" (list .values.settings)) .) }}
      securityContext:
        {{- include "stemwright.pod-security" .root.Values.runAsUser | nindent 8 }}
      {{- include "stemwright.placement" . | trim | nindent 6 }}
      {{- if has "database" .groups }}
      initContainers:
        {{- include "stemwright.schema-check" . | nindent 8 }}
      {{- end }}
      containers:
        - {{- include "stemwright.container" (merge (dict "container" .name) .) | nindent 10 }}
          args: [run, {{ .name }}]
          ports:
            - {name: http, containerPort: {{ include "stemwright.port" . }}}
            - {name: admin, containerPort: 9000}
          env:
            {{- include "stemwright.environment" (merge (dict "groups" (concat (list "process" "service") .groups) "over" (list .values.settings)) .) | trim | nindent 12 }}
          startupProbe:
            httpGet: {path: /healthz, port: admin}
            periodSeconds: 2
            failureThreshold: 60
          livenessProbe:
            httpGet: {path: /healthz, port: admin}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /readyz, port: admin}
            periodSeconds: 3
            timeoutSeconds: 5
            failureThreshold: 2
          lifecycle:
            preStop:
              sleep: {seconds: 5}
          resources:
            {{- toYaml .values.resources | nindent 12 }}
          volumeMounts:
            {{- include "stemwright.mounts" . | nindent 12 }}
      volumes:
        {{- include "stemwright.volumes" . | trim | nindent 8 }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  {{- include "stemwright.metadata" . | nindent 2 }}
  {{- with .values.serviceAccount.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end -}}

{{- define "stemwright.service" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "stemwright.metadata" . | nindent 2 }}
spec:
  selector:
    {{- include "stemwright.selector" . | nindent 4 }}
  ports:
    - {name: http, port: {{ include "stemwright.port" . }}, targetPort: http, appProtocol: http}
    - {name: admin, port: 9000, targetPort: admin, appProtocol: http}
{{- end -}}

{{- define "stemwright.autoscaler" -}}
{{- with .values.autoscaling }}
{{- if .enabled }}
{{- if gt (int .minReplicas) (int .maxReplicas) }}
{{- fail (printf "%s.autoscaling: minReplicas is above maxReplicas" $.name) }}
{{- end }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  {{- include "stemwright.metadata" $ | nindent 2 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "stemwright.name" $ }}}
  minReplicas: {{ .minReplicas }}
  maxReplicas: {{ .maxReplicas }}
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: {{ .cpuPercent }}}}
{{- end }}
{{- end }}
{{- end -}}

{{/* One pod at a time goes willingly. A single one may go always: a budget for it would hold every drain up. */}}
{{- define "stemwright.disruption-budget" -}}
{{- $fewest := ternary .values.autoscaling.minReplicas .values.replicas .values.autoscaling.enabled | int -}}
{{- if gt $fewest 1 }}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "stemwright.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  # A pod that is not ready serves nobody.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "stemwright.selector" . | nindent 6 }}
{{- end }}
{{- end -}}
