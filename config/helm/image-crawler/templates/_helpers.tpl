{{- define "image-crawler.name" -}}
{{- $name := contains "image-crawler" .Release.Name | ternary .Release.Name (printf "%s-image-crawler" .Release.Name) }}
{{- $name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "image-crawler.labels" -}}
app.kubernetes.io/name: image-crawler
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "image-crawler.selector" -}}
app.kubernetes.io/name: image-crawler
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "image-crawler.claim" -}}
{{ .Values.volume.existingClaim | default (printf "%s-data" (include "image-crawler.name" .)) }}
{{- end }}

{{- /* Where workers find the queue. */}}
{{- define "image-crawler.address" -}}
{{ .Values.queue.url | default (printf "%s:9733" (include "image-crawler.name" .)) }}
{{- end }}

{{- /* What all pods have: nobody's rights, a read-only system, room for temporary files. */}}
{{- define "image-crawler.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  seccompProfile: { type: RuntimeDefault }
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{ toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* What all containers have; of `root`, for `role`. */}}
{{- define "image-crawler.container" -}}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
  {{- if eq .role "render" }}
  seccompProfile: { type: Unconfined }  # the namespaces that shut the browser in: docs/rendering.md
  {{- end }}
ports:
  - { name: metrics, containerPort: {{ .root.Values.metrics.port }}, protocol: TCP }
# 503 once the loop has not turned for a minute; nothing is lost by a restart
livenessProbe:
  httpGet: { path: /healthz, port: metrics }
  initialDelaySeconds: 30
  periodSeconds: 15
  timeoutSeconds: 5
  failureThreshold: 4
readinessProbe:
  httpGet: { path: /readyz, port: metrics }
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}

{{- define "image-crawler.environment" -}}
- { name: IMAGE_CRAWLER_METRICS, value: "0.0.0.0:{{ .Values.metrics.port }}" }
- { name: IMAGE_CRAWLER_LOG_FORMAT, value: json }
{{- if .Values.queue.passwordSecret }}
- { name: IMAGE_CRAWLER_QUEUE_PASSWORD_FILE, value: /queue/password }
{{- end }}
{{- if .Values.queue.insecurePlaintext }}
- { name: IMAGE_CRAWLER_INSECURE_PLAINTEXT, value: "true" }
{{- end }}
{{- end }}
