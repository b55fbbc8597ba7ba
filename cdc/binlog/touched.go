package binlog

// Touched returns the tables of which rows were read since the last Commit: the source must not go on from another
// connection, nor take the transaction back, without giving them up. The slice is valid until the next call of a method.
func (d *Decoder) Touched() []*Table { return d.touch }
