<#
.SYNOPSIS
Installs csm and csd for one user, from a release: a folder, or an address that has one.
.DESCRIPTION
  .\install.ps1 [-From DIR|URL] [-Version V] [-Dir DIR] [-Uninstall]
Nothing is put in place before its checksum is right and it has started; an installation that fails leaves the old one.
.PARAMETER From
The folder or address of one release, or of all of them (default: $env:CSM_RELEASES, else where this script came from).
.PARAMETER Version
This one instead of the newest.
.PARAMETER Dir
Where to (default: %LOCALAPPDATA%\Programs\csm).
.PARAMETER Uninstall
Takes csm and csd out of that folder again; what they remember stays.
#>
param([string]$From = "", [string]$Version = "", [string]$Dir = "", [switch]$Uninstall)
Set-StrictMode -Version 2
$ErrorActionPreference = "Stop"
$ProgressPreference = "SilentlyContinue"

$BASE=""
$names = @("csm.exe", "csd.exe")

function Stop-Install([string]$Message) { throw "install.ps1: $Message" }

# What stands at a path is csm; any other program of that name is none of ours.
function Test-Ours([string]$Path) { [bool](Select-String -Path $Path -Pattern "CLAUDE_SMART_CLAUDE_BIN" -SimpleMatch -Quiet) }

function Remove-Csm {
  if (-not (Test-Path (Join-Path $Dir "csm.exe"))) { Stop-Install "there is no csm in $Dir" }
  foreach ($name in $names + @("csm.previous.exe", "csd.previous.exe")) {
    $path = Join-Path $Dir $name
    if (-not (Test-Path $path)) { continue }
    if (-not (Test-Ours $path)) { Stop-Install "$path is another program; it stays" }
    Remove-Item -Force $path
  }
  $user = [Environment]::GetEnvironmentVariable("Path", "User")
  $left = @("$user".Split(";") | Where-Object { $_ -ne "" -and $_ -ne $Dir }) -join ";"
  if ($left -ne "$user") { [Environment]::SetEnvironmentVariable("Path", $left, "User") }
  Write-Output "removed csm and csd from $Dir; what they remember is in $env:LOCALAPPDATA\csm and $env:LOCALAPPDATA\csd"
}

# From a folder or an address into a file; false where it is not there.
function Get-Part([string]$Source, [string]$Target) {
  if ($Source -match "^https?://") {
    try { Invoke-WebRequest -UseBasicParsing -Uri $Source -OutFile $Target } catch {
      $response = $_.Exception | Select-Object -ExpandProperty Response -ErrorAction SilentlyContinue
      if ($null -ne $response -and [int]$response.StatusCode -ge 400) { return $false }
      Stop-Install "could not load ${Source}: $($_.Exception.Message)"
    }
    return $true
  }
  if (-not (Test-Path -LiteralPath $Source -PathType Leaf)) { return $false }
  Copy-Item -LiteralPath $Source -Destination $Target
  return $true
}

function Install-Csm {
  # A 32-bit or an emulated PowerShell says another processor than the machine has.
  $machine = if ($env:PROCESSOR_ARCHITEW6432) { $env:PROCESSOR_ARCHITEW6432 } else { $env:PROCESSOR_ARCHITECTURE }
  $cpu = switch ($machine) {
    "AMD64" { "x64" }
    "ARM64" { "arm64" }
    default { Stop-Install "there is no csm for the processor $machine; there is one for AMD64 and ARM64" }
  }
  New-Item -ItemType Directory -Force -Path $Dir | Out-Null
  foreach ($name in $names) {
    $path = Join-Path $Dir $name
    if ((Test-Path $path) -and -not (Test-Ours $path)) { Stop-Install "$path is another program; -Dir names another folder" }
  }
  $work = Join-Path $Dir ".csm-install.$PID"
  New-Item -ItemType Directory -Force -Path $work | Out-Null
  try {
    $sums = Join-Path $work "SHA256SUMS"
    $inside = if ($Version -ne "") { "download/v$Version" } else { "latest/download" }
    $place = @($From, "$From/$inside") | Where-Object { Get-Part "$_/SHA256SUMS" $sums } | Select-Object -First 1
    if ($null -eq $place) { Stop-Install "there is no release $Version at $From" }
    $wanted = if ($Version -ne "") { [regex]::Escape($Version) } else { "[^ ]*" }
    $line = Get-Content $sums | Where-Object { $_ -match "^([0-9a-f]{64})  (csm-$wanted-windows-$cpu\.zip)$" } | Select-Object -First 1
    if ($null -eq $line) { Stop-Install "the release at $place has no csm $Version for Windows on $cpu" }
    $sum, $archive = $line -split "  ", 2
    $zip = Join-Path $work $archive
    if (-not (Get-Part "$place/$archive" $zip)) { Stop-Install "there is no $archive at $place" }
    if ((Get-FileHash -Algorithm SHA256 $zip).Hash -ne $sum) {
      Stop-Install "the checksum of $archive is wrong: it is damaged, or not what was released; nothing was changed"
    }
    Expand-Archive -Path $zip -DestinationPath $work
    $unpacked = Join-Path $work ($archive -replace "\.zip$", "")
    $said = & (Join-Path $unpacked "csm.exe") --version
    if ($LASTEXITCODE -ne 0) { Stop-Install "csm does not start here; nothing was changed" }
    foreach ($name in $names) {
      $path = Join-Path $Dir $name
      # A program that runs cannot be replaced, but it can be given another name.
      if (Test-Path $path) { Move-Item -Force $path ($path -replace "\.exe$", ".previous.exe") }
      Move-Item -Force (Join-Path $unpacked $name) $path
    }
    Write-Output "$said is in $Dir, with csd"
  } finally {
    Remove-Item -Recurse -Force $work -ErrorAction SilentlyContinue
  }
  $user = [Environment]::GetEnvironmentVariable("Path", "User")
  if ("$user".Split(";") -notcontains $Dir) {
    [Environment]::SetEnvironmentVariable("Path", (@("$user".Split(";") | Where-Object { $_ -ne "" }) + $Dir) -join ";", "User")
    Write-Output "$Dir is in PATH now; new terminals know it"
  }
}

$Version = $Version -replace "^v", ""
if ($From -eq "" -and $env:CSM_RELEASES) { $From = $env:CSM_RELEASES }
if ($From -eq "" -and $PSScriptRoot -and (Test-Path (Join-Path $PSScriptRoot "SHA256SUMS"))) { $From = $PSScriptRoot }
if ($From -eq "") { $From = $BASE }
if ($Dir -eq "") { $Dir = Join-Path $env:LOCALAPPDATA "Programs\csm" }
try {
  if ($Uninstall) { Remove-Csm; return }
  if ($From -eq "") { Stop-Install "no release is known; -From names its folder or address" }
  $From = $From.TrimEnd("/", "\")
  Install-Csm
} catch {
  [Console]::Error.WriteLine($_.Exception.Message)
  exit 1
}
