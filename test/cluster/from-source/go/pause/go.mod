module tracing.acme/test-cluster/pause

go 1.24
