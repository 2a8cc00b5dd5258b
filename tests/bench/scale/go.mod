module bench/scale

go 1.26
