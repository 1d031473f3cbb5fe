#!/usr/bin/env bash
# Uses Thunar on a screen of its own as a person does: file-manager.sh SOURCE MOUNT TARGET SHOTS FLUSH
#
# Copies all of SOURCE into MOUNT/backup by the keyboard, runs the command FLUSH, and drags the folder `folder` of the new snapshot to
# TARGET with the mouse. Screenshots of each step go to SHOTS. Started by dbus-run-session, with HOME and XDG_RUNTIME_DIR of its own.
set -euo pipefail
source=$1 mount=$2 target=$3 shots=$4 flush=$5
mkdir -p "$shots" "$HOME" "$XDG_RUNTIME_DIR"
chmod 700 "$XDG_RUNTIME_DIR"
export NO_AT_BRIDGE=1 GDK_BACKEND=x11 LC_ALL=C.UTF-8

# The server picks a free number, and says it when it is ready.
mkfifo "$HOME/display"
Xvfb -displayfd 3 -screen 0 1280x720x24 3>"$HOME/display" >"$HOME/xvfb.log" 2>&1 &
server=$!
trap 'kill $manager $server 2>/dev/null || true' EXIT
read -r number <"$HOME/display"
export DISPLAY=:$number
thunar --daemon >"$HOME/thunar.log" 2>&1 &
manager=$!

wait_for() { # COMMAND...: until it succeeds
  for _ in $(seq 900); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.1
  done
  echo "gave up waiting for: $*" >&2
  import -window root "$shots/gave-up.png"
  return 1
}
there() { # PATH: whether it comes within some seconds; a busy machine must not be asked twice for what it is about to do
  for _ in $(seq 50); do
    [ -e "$1" ] && return 0
    sleep 0.1
  done
  return 1
}
shot() { import -window root "$shots/$1.png"; }
show() { # FOLDER X: a window of it at that place; its number in $window
  local before after
  before=$(xdotool search --onlyvisible --class thunar 2>/dev/null | sort || true)
  gdbus call --session --dest org.xfce.FileManager --object-path /org/xfce/FileManager \
    --method org.xfce.FileManager.DisplayFolder "file://$1" "$DISPLAY" "" >/dev/null
  opened() {
    after=$(xdotool search --onlyvisible --class thunar | sort)
    window=$(comm -13 <(echo "$before") <(echo "$after") | head -n 1)
    [ -n "$window" ]
  }
  wait_for opened
  opened
  xdotool windowsize --sync "$window" 630 700 windowmove "$window" "$2" 0 2>/dev/null || true
}
press() { # WINDOW KEY...: into the list of files
  local window=$1
  shift
  xdotool windowfocus --sync "$window"
  xdotool key --clearmodifiers "$@"
}

gdbus wait --session --timeout 300 org.xfce.FileManager
show "$source" 0
from=$window
show "$mount/backup" 640
into=$window
# Until the windows have their content, keys go nowhere.
for _ in $(seq 10); do
  sleep 1.5
  press "$from" ctrl+a
  press "$from" ctrl+c
  sleep 0.5
  press "$into" ctrl+v
  there "$mount/backup/folder" && break
done
wait_for diff -r --no-dereference "$source" "$mount/backup"
sleep 1
shot copied
$flush
latest=$(realpath "$mount"/*@*/backup/latest)
wait_for test -e "$latest/folder"
show "$latest" 0
xdotool windowraise "$window"
snapshot=$window
show "$target" 640
xdotool windowraise "$window"
# The first item of the one window to the empty part of the other.
for _ in $(seq 10); do
  sleep 1.5
  press "$snapshot" Home
  xdotool mousemove 210 160 sleep 0.3 mousedown 1 sleep 0.3 mousemove_relative 15 10 sleep 0.2 mousemove 900 400 sleep 0.2 \
    mousemove 1000 500 sleep 0.5
  shot dragging
  xdotool mouseup 1
  there "$target/folder" && break
done
wait_for diff -r --no-dereference "$mount/backup/folder" "$target/folder"
sleep 1
shot dragged
echo done
