const footerText = `
Sent {{formatTime .EventTime}} by Kura {{.KopiaBuildVersion}} on {{.Hostname}}.
`

const page = (content: string): string => `<!doctype html>
<html>
<head>
<meta charset="utf-8">
<style>
body { font-family: sans-serif; }
table { border-collapse: collapse; }
th, td { border: 1px solid #999; padding: 3px 8px; text-align: left; vertical-align: top; }
th { background: #eee; }
.path { font-family: monospace; font-weight: bold; }
.increase { color: #060; }
.decrease { color: #a00; }
.snapshotstatus-fatal { background: #fdd; }
.snapshotstatus-incomplete { background: #ddd; }
.snapshotstatus-warnings { background: #ffd; }
</style>
</head>
<body>
${content}
<p>Sent {{formatTime .EventTime}} by Kura {{html .KopiaBuildVersion}} on {{html .Hostname}}.</p>
</body>
</html>
`

const testText = `Subject: Test notification of Kura, {{formatTime .EventTime}}

This is a test notification.

- Version: {{.KopiaBuildVersion}}
- Build:   {{.KopiaBuildInfo}}

If you received this, your notification configuration on {{.Hostname}} is correct.
`

const testHtml = `Subject: Test notification of Kura, {{formatTime .EventTime}}

${page(`<p>This is a test notification.</p>
<ul>
<li>Version: <b>{{html .KopiaBuildVersion}}</b></li>
<li>Build: <b>{{html .KopiaBuildInfo}}</b></li>
</ul>
<p>If you received this, your notification configuration on {{html .Hostname}} is correct.</p>`)}`

const errorText = `Subject: Error during {{.EventArgs.Operation}} on {{.Hostname}}

Operation: {{.EventArgs.OperationDetails}}
Started:   {{formatTime .EventArgs.StartTime}}
Finished:  {{formatTime .EventArgs.EndTime}} ({{.EventArgs.Duration}})

{{.EventArgs.ErrorMessage}}
${footerText}`

const errorHtml = `Subject: Error during {{.EventArgs.Operation}} on {{.Hostname}}

${page(`<p><b>Operation:</b> {{html .EventArgs.OperationDetails}}</p>
<p><b>Started:</b> {{formatTime .EventArgs.StartTime}}</p>
<p><b>Finished:</b> {{formatTime .EventArgs.EndTime}} ({{.EventArgs.Duration}})</p>
<pre>{{html .EventArgs.ErrorMessage}}</pre>`)}`

const reportText = `Subject: {{.EventArgs.OverallStatus}} on {{.Hostname}}

{{range sortSnapshotManifestsByName .EventArgs.Snapshots}}Path: {{.Manifest.Source.Path}}

  Status:      {{.StatusCode}}
  Start:       {{formatTime .StartTimestamp}}
  Duration:    {{.Duration}}
  Size:        {{bytes .TotalSize}}{{bytesDelta .TotalSizeDelta}}
  Files:       {{formatCount .TotalFiles}}{{countDelta .TotalFilesDelta}}
  Directories: {{formatCount .TotalDirs}}{{countDelta .TotalDirsDelta}}
{{- if .Error}}
  Error:       {{.Error}}
{{- end}}
{{- with .Manifest.RootEntry}}{{with .DirSummary}}{{if .FailedEntries}}
  Failed entries:
{{- range .FailedEntries}}
  - {{.EntryPath}}: {{.Error}}
{{- end}}{{end}}{{end}}{{end}}

{{end}}${footerText.trimStart()}`

const reportHtml = `Subject: {{.EventArgs.OverallStatus}} on {{.Hostname}}

${page(`<table>
<tr><th>Source</th><th>Status</th><th>Started</th><th>Duration</th><th>Size</th><th>Files</th><th>Directories</th></tr>
{{- range sortSnapshotManifestsByName .EventArgs.Snapshots}}
<tr class="snapshotstatus-{{.StatusCode}}">
<td><span class="path">{{html .Manifest.Source.Path}}</span></td>
<td>{{.StatusCode}}</td>
<td>{{formatTime .StartTimestamp}}</td>
<td>{{.Duration}}</td>
<td>{{bytes .TotalSize}}{{bytesDeltaHTML .TotalSizeDelta}}</td>
<td>{{formatCount .TotalFiles}}{{countDeltaHTML .TotalFilesDelta}}</td>
<td>{{formatCount .TotalDirs}}{{countDeltaHTML .TotalDirsDelta}}</td>
</tr>
{{- if .Error}}
<tr class="snapshotstatus-{{.StatusCode}}"><td colspan="7"><b>Error:</b> {{html .Error}}</td></tr>
{{- end}}
{{- with .Manifest.RootEntry}}{{with .DirSummary}}{{if .FailedEntries}}
<tr><td colspan="7"><b>Failed entries:</b>
<ul>
{{- range .FailedEntries}}
<li><span class="path">{{html .EntryPath}}</span>: {{html .Error}}</li>
{{- end}}
</ul></td></tr>
{{- end}}{{end}}{{end}}
{{- end}}
</table>`)}`

/** Messages of events by template name, while the repository has none of its own (spec 05, 5.7.3). */
export const builtinTemplates: Readonly<Record<string, string>> = {
  'generic-error.html': errorHtml,
  'generic-error.txt': errorText,
  'snapshot-report.html': reportHtml,
  'snapshot-report.txt': reportText,
  'test-notification.html': testHtml,
  'test-notification.txt': testText,
}
