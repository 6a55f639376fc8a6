#!/bin/sh
# Runs the suite against MLServer: run.sh PYTHON RESULTS.json, with an interpreter that has `mlserver` installed (1.7.1 for the
# page). Ends the server it started.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
python=$1
results=$2
folder=$(mktemp -d)
for suffix in "" -half -one; do
  mkdir "$folder/echo$suffix"
  cp "$here/echo_runtime.py" "$folder/echo$suffix/"
  echo "{\"name\":\"echo$suffix\",\"implementation\":\"echo_runtime.Echo\",\"versions\":[\"1\"],\"parameters\":{\"version\":\"1\"}}" \
    > "$folder/echo$suffix/model-settings.json"
done
echo '{"host":"127.0.0.1","http_port":18080,"grpc_port":18081,"metrics_port":18082,"parallel_workers":0,"debug":false}' \
  > "$folder/settings.json"
(cd "$folder" && exec timeout 300 "$(dirname "$python")/mlserver" start . > "$folder/log" 2>&1) &
server=$!
trap 'kill $server; rm -rf "$folder"' EXIT
for _ in $(seq 60); do
  curl -sf http://127.0.0.1:18080/v2/models/echo-one/ready > "$folder/ready" && break
  sleep 1
done
version=$("$python" -c 'import mlserver; print(mlserver.__version__)')
node --import tsx "$here/../run.ts" --address http://127.0.0.1:18080 --grpc 127.0.0.1:18081 \
  --name "MLServer $version" --json "$results" || true
