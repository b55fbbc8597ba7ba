package objstore

// Op names a request to the store, for observers, faults and traces.
type Op string

// The operations. One method call can be several: a Create of a large object is
// OpCreateUpload, many OpUploadPart and OpCompleteUpload.
const (
	OpGet            Op = "get"
	OpGetRange       Op = "get_range"
	OpStat           Op = "stat"
	OpPut            Op = "put"
	OpPutIfAbsent    Op = "put_if_absent"
	OpPutIfMatch     Op = "put_if_match"
	OpCreateUpload   Op = "create_upload"
	OpUploadPart     Op = "upload_part"
	OpCompleteUpload Op = "complete_upload"
	OpAbortUpload    Op = "abort_upload"
	OpDelete         Op = "delete"
	OpList           Op = "list"
	OpListUploads    Op = "list_uploads"
)

// verb is the operation in an error message.
func (o Op) verb() string {
	switch o {
	case OpGet, OpGetRange:
		return "read"
	case OpStat:
		return "stat"
	case OpPut, OpPutIfAbsent, OpPutIfMatch:
		return "write"
	case OpCreateUpload, OpUploadPart, OpCompleteUpload:
		return "upload"
	case OpAbortUpload:
		return "abort upload of"
	case OpDelete:
		return "delete"
	case OpList:
		return "list"
	case OpListUploads:
		return "list uploads of"
	}
	return string(o)
}
