#!/bin/sh
# Starts a Kafka that is its own controller. As in the official image KAFKA_LISTENERS is the property `listeners`, and so on;
# KAFKA_HEAP_OPTS goes to Java.
set -eu

properties=/tmp/server.properties
env | while IFS='=' read -r name value; do
  case "$name" in
    KAFKA_HEAP_OPTS) ;;
    KAFKA_*) printf '%s=%s\n' "$(printf '%s' "${name#KAFKA_}" | tr 'A-Z_' 'a-z.')" "$value" ;;
  esac
done > "$properties"

# One thread of garbage collection and quick code: it starts and holds a few messages.
java() { exec /usr/bin/java ${KAFKA_HEAP_OPTS:-} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp '/opt/kafka/libs/*' "$@"; }
(java kafka.tools.StorageTool format --ignore-formatted --cluster-id "${CLUSTER_ID:-5L6g3nShT-eMCtK--X86sw}" --config "$properties")
java kafka.Kafka "$properties"
