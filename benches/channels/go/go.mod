module channels

go 1.27
