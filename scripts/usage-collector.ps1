# A reference for CSM_USAGE_CMD on Windows: prints what accounts have used, in the form that csm reads.
#   $env:CSM_USAGE_CMD = 'powershell -NoProfile -File usage-collector.ps1'
# Three ways, the first that is set counts:
#   COLLECT_URL    an endpoint that answers with such a blob already (COLLECT_TOKEN is sent as bearer token)
#   COLLECT_FILE   a file that something else keeps
#   COLLECT_FACTS  a program that is called with the name of a profile and prints
#                  `<5-hour percent> <its reset> <weekly percent> <its reset>`; a dash stands for what is unknown.
#                  A reset is ISO 8601, epoch seconds or `9pm`; it holds no blank.
# Without any of them: what csm itself knows here.
Set-StrictMode -Version 2
$ErrorActionPreference = 'Stop'
[Console]::OutputEncoding = [System.Text.UTF8Encoding]::new($false)

if ($env:COLLECT_URL) {
  $headers = @{}
  if ($env:COLLECT_TOKEN) { $headers['Authorization'] = "Bearer $env:COLLECT_TOKEN" }
  (Invoke-WebRequest -UseBasicParsing -TimeoutSec 8 -Headers $headers -Uri $env:COLLECT_URL).Content
  exit 0
}
if ($env:COLLECT_FILE) {
  Get-Content -Raw -Encoding UTF8 -LiteralPath $env:COLLECT_FILE
  exit 0
}
if (-not $env:COLLECT_FACTS) {
  & csm hub serve --once
  exit $LASTEXITCODE
}

function ConvertTo-Window([string] $Percent, [string] $Reset) {
  $value = 0.0
  $style = [System.Globalization.NumberStyles]::Float
  if (-not [double]::TryParse($Percent, $style, [cultureinfo]::InvariantCulture, [ref] $value)) { return $null }
  $known = if ($Reset -and $Reset -ne '-') { $Reset } else { $null }
  [ordered]@{ pct = $value; resets = $known }
}

$registry = if ($env:COLLECT_REGISTRY) { $env:COLLECT_REGISTRY } else { Join-Path $HOME '.config/claude-as/profiles.json' }
$profiles = [ordered]@{}
$errors = [ordered]@{}
foreach ($property in (Get-Content -Raw -Encoding UTF8 -LiteralPath $registry | ConvertFrom-Json).PSObject.Properties) {
  $name = $property.Name
  $facts = $null
  try { $facts = & $env:COLLECT_FACTS $name } catch { $facts = $null }
  if (-not $facts) { $errors[$name] = 'no facts'; continue }
  $words = @(("$facts").Trim() -split '\s+') + @('', '', '', '')
  $profiles[$name] = [ordered]@{
    session  = ConvertTo-Window $words[0] $words[1]
    week_all = ConvertTo-Window $words[2] $words[3]
  }
}
[ordered]@{
  captured_at = [DateTime]::UtcNow.ToString('yyyy-MM-ddTHH:mm:ssZ')
  profiles    = $profiles
  errors      = $errors
} | ConvertTo-Json -Depth 6 -Compress
