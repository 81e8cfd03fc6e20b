module gort.bench/net

go 1.24
