module stack

go 1.24
