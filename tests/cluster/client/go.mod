module pmz.test/client

go 1.26.8
