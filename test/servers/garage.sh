#!/usr/bin/env bash
# A day with a distributed store, by hand: three nodes of Garage on loopback, every object on all three; one node is killed in the middle of a
# snapshot, and nothing may be lost.
#
#   test/servers/garage.sh [FOLDER]      needs dist/kura (npm run build) and `garage` in PATH or GARAGE=/path/to/it
#
# Garage is a Rust package: `cargo install garage --locked --no-default-features --features lmdb,bundled-libs` (some 20 minutes on two cores).
set -euo pipefail
cd "$(dirname "$0")/../.."
garage=${GARAGE:-$(command -v garage || true)}
[ -n "$garage" ] || { echo 'garage is not here: see the head of this script' >&2; exit 2; }
kura=$PWD/dist/kura
place=$(mktemp -d "${1:-${TMPDIR:-/tmp}}/kura-garage-XXXXXX")
base=${GARAGE_PORT:-43900}
nodes=()
end() {
  for pid in "${nodes[@]}"; do kill "$pid" 2>/dev/null || true; done
  sleep 1
  rm -rf "$place"
}
trap end EXIT
say() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*"; }

secret=$(openssl rand -hex 32)
for n in 1 2 3; do
  mkdir -p "$place/node$n"
  cat >"$place/node$n/garage.toml" <<CONFIG
metadata_dir = "$place/node$n/meta"
data_dir = "$place/node$n/data"
db_engine = "lmdb"
replication_factor = 3
consistency_mode = "consistent"
rpc_bind_addr = "127.0.0.1:$((base + n))"
rpc_public_addr = "127.0.0.1:$((base + n))"
rpc_secret = "$secret"
[s3_api]
s3_region = "garage"
api_bind_addr = "127.0.0.1:$((base + 10 + n))"
CONFIG
  "$garage" -c "$place/node$n/garage.toml" server >"$place/node$n/log" 2>&1 &
  nodes[n]=$!
  disown
done
on() { # NODE WORDS...: the command line of one node
  local n=$1
  shift
  "$garage" -c "$place/node$n/garage.toml" "$@"
}
for n in 1 2 3; do
  for _ in $(seq 100); do on "$n" node id -q >"$place/id$n" 2>/dev/null && break; sleep 0.2; done
done
for n in 2 3; do
  for _ in $(seq 50); do on 1 node connect "$(cat "$place/id$n")" >/dev/null 2>&1 && break; sleep 0.2; done
done
for n in 1 2 3; do on 1 layout assign -z "zone$n" -c 1G "$(cut -d@ -f1 "$place/id$n")" >/dev/null; done
on 1 layout apply --version 1 >/dev/null
for _ in $(seq 50); do on 1 bucket create kura >/dev/null 2>&1 && break; sleep 0.2; done
on 1 key create kura >"$place/key" 2>/dev/null
id=$(awk '/Key ID/ {print $NF}' "$place/key")
key=$(awk '/Secret key/ {print $NF}' "$place/key")
on 1 bucket allow --read --write --owner kura --key "$id" >/dev/null
say "three nodes are up:"
on 1 status 2>/dev/null | sed 's/^/    /'

export KOPIA_CONFIG_PATH=$place/config/repository.config KOPIA_CACHE_DIRECTORY=$place/cache KOPIA_LOG_DIR=$place/logs
export KOPIA_PASSWORD=garage KOPIA_CHECK_FOR_UPDATES=false AWS_ACCESS_KEY_ID=$id AWS_SECRET_ACCESS_KEY=$key
flags=(s3 --bucket=kura --endpoint="127.0.0.1:$((base + 11))" --disable-tls --region=garage)
source=$place/source
mkdir -p "$source"
for i in $(seq 20); do head -c 4000000 /dev/urandom >"$source/first$i"; done
"$kura" repository create "${flags[@]}" >/dev/null 2>&1
"$kura" snapshot create "$source" 2>&1 | tail -n 1
for i in $(seq 60); do head -c 4000000 /dev/urandom >"$source/second$i"; done

say 'a snapshot of 240 MB more begins'
"$kura" snapshot create "$source" >"$place/snapshot.log" 2>&1 &
snapshot=$!
objects() { on 1 bucket info kura 2>/dev/null | awk '/^Size/ {print $2, $3; exit}'; }
before=$(objects)
while [ "$(objects)" = "$before" ] && kill -0 "$snapshot" 2>/dev/null; do sleep 0.1; done
kill -0 "$snapshot" 2>/dev/null && during='in the middle of it' || during='but it had ended already'
kill -9 "${nodes[3]}"
say "node 3 is killed, $during ($(objects))"
status=0
wait "$snapshot" || status=$?
tail -n 2 "$place/snapshot.log"
say "the snapshot ended with status $status"
[ "$during" = 'in the middle of it' ] || exit 1
if [ "$status" -ne 0 ]; then
  "$kura" snapshot create "$source" 2>&1 | tail -n 1
  say 'a second run repaired it'
fi
rm -rf "$place/cache"
"$kura" snapshot verify --verify-files-percent=100 2>&1 | tail -n 2
"$kura" restore "$source" "$place/restored" 2>&1 | grep '^Restored'
diff -r "$source" "$place/restored"
say 'with two nodes: verified and restored, byte for byte'

# All its blocks; without the marker in the folder the node would take it for a disk that is not mounted.
rm -rf "$place"/node3/data/[0-9a-f][0-9a-f] "$place/restored" "$place/cache"
"$garage" -c "$place/node3/garage.toml" server >>"$place/node3/log" 2>&1 &
nodes[3]=$!
disown
healthy() { on 1 status 2>/dev/null | sed '/FAILED/,$d' | grep -c ' 127\.0\.0\.1:' || true; }
for _ in $(seq 300); do
  [ "$(healthy)" = 3 ] && break
  on 1 node connect "$(cat "$place/id3")" >/dev/null 2>&1 || true
  sleep 0.2
done
say "node 3 is back, its data lost; $(healthy) nodes are healthy"
on 3 repair --all-nodes --yes blocks >/dev/null 2>&1 || true
kill -9 "${nodes[2]}"
say 'node 2 is killed'
"$kura" maintenance run --full --safety=none 2>&1 | tail -n 1
"$kura" snapshot verify --verify-files-percent=100 2>&1 | tail -n 1
"$kura" restore "$source" "$place/restored" 2>&1 | grep '^Restored'
diff -r "$source" "$place/restored"
say 'nothing was lost'
