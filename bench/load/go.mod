module nested-docker.test/load

go 1.26.0
