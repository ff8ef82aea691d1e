# SPDX-License-Identifier: Apache-2.0
"""Where jetcal answers otherwise than the real Triton, and why: each case of oip_cases.py and oip_types.py by its whole name, one a line.
test_nightly_triton.py fails on a difference that is not here, and on a line that is no difference any more."""

# Status, code, body, tensors, or an error whose text does not hold Triton's.
ANSWERS = {
    "name, version and extensions of the server": """
http GET /v2
""",
    "the text names the path or the verb": """
http GET /v2/
http GET /
http GET /v2/health
http GET /v2/health/live/
http GET /v2/models/plain/versions/x/ready
http GET /v2/models/plain/infer
http GET /v2/models/plain/nothing
http GET /v2/repository/index
http GET /v2/nothing
http PUT /v2
http PUT /v2/health/ready
http PUT /v2/models/plain
http PUT /v2/models/plain/config
http PUT /v2/models/plain/stats
http DELETE /v2
http DELETE /v2/health/ready
http DELETE /v2/models/plain
http DELETE /v2/models/plain/config
http DELETE /v2/models/plain/stats
http POST /v2
http POST /v2/health/ready
http POST /v2/models/plain
http POST /v2/models/plain/config
http POST /v2/models/plain/stats
http PUT infer
http json /v2/models/plain/versions//infer
http json /v2/models//infer
http json /v2/models/plain/infer/
http json /v2/models/plain/versions/-1/infer
http GET load
http GET unload
""",
    "health answers have the body of the protocol, which KServe's client reads": """
http GET /v2/health/live
http GET /v2/health/ready
http GET /v2/models/plain/ready
http GET /v2/models/plain/versions/1/ready
""",
    "the platform is ONNX Runtime here and Python there": """
http GET /v2/models/plain
http GET /v2/models/plain/versions/1
http GET /v2/models/plain/config
http GET /v2/models/plain/versions/1/config
grpc metadata plain/
grpc config plain/
grpc metadata plain/1
grpc config plain/1
""",
    "an unknown model or version is 404 when its readiness is asked, as in KServe": """
http GET /v2/models/plain/versions/2/ready
http GET /v2/models/nobody/ready
""",
    "what a client did wrong is 400, not 500": """
http json id number
http json id null
http json output no name
http json outputs object
http json output string
http json output number name
http json binary out string
http json priority text
http json timeout negative
http json list
http json number
http json object
http json null
http json inputs object
http json inputs null
http json no name
http json no shape
http json no datatype
http json name=1
http json name=null
http json name=[]
http json shape=[1]
http json shape=[1, 3]
http json shape=[17, 1]
http json shape=[-1, 2]
http json shape=[1, 2.0]
http json shape=[1, 2.5]
http json shape=["1", 2]
http json shape="1"
http json shape=7
http json shape=null
http json shape=[1, [2]]
http json datatype="BYTES"
http json datatype="BOOL"
http json datatype=3
http json datatype=null
http json data=[1]
http json data=[1, 2, 3]
http json data=[]
http json data=[1, "2"]
http json data=["a", "b"]
http json data=[true, false]
http json data=[null, 1]
http json data=7
http json data="12"
http json data={}
http binary size -1
http binary size 8
http binary size 8.0
http binary size True
http binary shape [-1, 2]
http logging wrong type
http logging negative
http BOOL text
http BOOL null
http BOOL real
http BOOL whole real
http BOOL exponent
http UINT8 bool
http UINT8 text
http UINT8 null
http UINT8 real
http UINT8 whole real
http UINT8 exponent
http UINT16 bool
http UINT16 text
http UINT16 null
http UINT16 real
http UINT16 whole real
http UINT16 exponent
http UINT32 bool
http UINT32 text
http UINT32 null
http UINT32 real
http UINT32 whole real
http UINT32 exponent
http UINT64 bool
http UINT64 text
http UINT64 null
http UINT64 real
http UINT64 whole real
http UINT64 exponent
http INT8 bool
http INT8 text
http INT8 null
http INT8 real
http INT8 whole real
http INT8 exponent
http INT16 bool
http INT16 text
http INT16 null
http INT16 real
http INT16 whole real
http INT16 exponent
http INT32 bool
http INT32 text
http INT32 null
http INT32 real
http INT32 whole real
http INT32 exponent
http INT64 bool
http INT64 text
http INT64 null
http INT64 real
http INT64 whole real
http INT64 exponent
http FP32 bool
http FP32 text
http FP32 null
http FP64 bool
http FP64 text
http FP64 null
http BYTES bool
http BYTES null
http BYTES real
http BYTES whole real
http BYTES exponent
http BYTES number
http BYTES mixed
http pair no outputs key
""",
    "binary_data_output is the default of named outputs too, as the extension says": """
http json binary all but z
""",
    "the text names the field": """
http json parameters list
http index ready text
""",
    "a body that cannot be read is refused instead of taken for an empty tensor": """
http json empty
http raw empty
http coding 'gzip' 81
http coding 'deflate' 2
http coding 'gzip' 74
""",
    "the JSON parser is another one, and malformed JSON is 400": """
http json brace
http json two
http json comment
http json trailing comma
http json literal nan
http json literal 1.
http json literal .5
http json literal +1
http json literal 01
http json literal 0x1
http index bad
http load bad
http logging bad
http systemsharedmemory register empty
http systemsharedmemory register bad
""",
    "of several mistakes another one is told first": """
http json not utf-8
http json deep
http json inputs number
http json shape=[]
http binary size None
""",
    "an input too many is named": """
http json two inputs
http pair three
grpc infer two inputs
grpc stream two inputs
""",
    "an empty batch is refused": """
http json shape=[0, 2]
http binary shape [0, 2]
grpc infer shape [0, 2]
grpc stream shape [0, 2]
""",
    "data without elements has none": """
http json shape=[1, 0]
""",
    "shapes that overflow are refused; Triton counts them modulo 2^64, and one ends its process": """
http json shape=[1099511627776, 1099511627776]
http json shape=[4294967297, 2]
grpc infer shape [-1, 2]
grpc stream shape [-1, 2]
grpc infer shape [1099511627776, 1099511627776]
grpc stream shape [1099511627776, 1099511627776]
""",
    "nested data must have the shape of the request: other nesting is most likely transposed": """
http json data=[[1], [2]]
http json data=[[]]
http json data=[[1, 2], [3, 4]]
http json data=[[[[1, 2]]]]
""",
    "NaN and infinities are no JSON, and numbers beyond FP32 are refused": """
http json data=[1e+39, 1]
http json data=[Infinity, 1]
http json literal NaN
http json literal Infinity
http json literal -Infinity
""",
    "percent-encoded paths are decoded": """
http json /v2/models/pl%61in/infer
""",
    "the text does not name a function of C": """
http json /v2/models/plain/versions/99999999999999999999/infer
grpc infer version x
grpc stream version x
grpc ready plain/x
grpc metadata plain/x
grpc config plain/x
grpc statistics plain/x
""",
    "a length that is no number or splits the body elsewhere is told as such; Triton takes what strtoll makes of it": """
http binary header 102
http binary header 104
http binary header 0
http binary header -1
http binary header 'x'
http binary header ''
http binary header ' '
http binary header 1099511627776
http binary header 1180591620717411303424
http binary header '103x'
http binary header '+103'
http binary header 111
""",
    "binary tensors need the header that says where they begin": """
http binary no header
""",
    "a number that is not finite is null in JSON": """
http binary nan to json
""",
    "raw requests name the inputs as the model does": """
http raw odd
http pair raw
""",
    "an unsupported coding is 415, and none is no coding": """
http coding 'br' 80
http coding '' 80
""",
    "a body that is no object is refused": """
http index list
""",
    "a wrong setting is the client's mistake, not the server's absence": """
http logging wrong format
""",
    "traces are not written, so a level other than OFF is refused": """
http trace wrong level
http trace of plain wrong level
http trace bad
http trace of plain bad
""",
    "regions of a GPU do not exist": """
http cudasharedmemory register empty
http cudasharedmemory register object
http cudasharedmemory register bad
grpc cuda register
""",
    "whole numbers that the type cannot hold are refused, never wrapped": """
http UINT8 above
http UINT8 below
http UINT8 huge
http UINT16 above
http UINT16 below
http UINT16 huge
http UINT32 above
http UINT32 below
http UINT32 huge
http UINT64 above
http UINT64 below
http UINT64 huge
http INT8 above
http INT8 below
http INT8 huge
http INT16 above
http INT16 below
http INT16 huge
http INT32 above
http INT32 below
http INT32 huge
http INT64 above
http INT64 below
http INT64 huge
""",
    "FP32 in JSON has the fewest digits that give the same bits back": """
http FP32 ends
http FP32 nested
http FP32 tiny
http FP32 binary to JSON
http FP64 tiny
http pair binary in the wrong order
""",
    "ONNX Runtime takes no zero byte in a string, NumPy does": """
http BYTES escapes
http strings nul
""",
    "the text says which string ends too early, without advice about buffers": """
http strings length above
http strings length huge
http strings half a length
""",
    "of two inputs that disagree the other one is named": """
http pair batches differ
""",
    "the text is the engine's: ONNX Runtime here, NumPy there": """
http pair rows differ
""",
    "a type that does not exist is named": """
grpc infer datatype 'fp32'
grpc stream datatype 'fp32'
grpc infer datatype 'TYPE_FP32'
grpc stream datatype 'TYPE_FP32'
grpc infer datatype ''
grpc stream datatype ''
grpc infer datatype 'X'
grpc stream datatype 'X'
""",
    "the text says how the type can be sent": """
grpc FP16 in fp32_contents
grpc FP16 in int_contents
grpc FP16 in bytes_contents
""",
}

# The header Content-Type.
CONTENT_TYPES = {
    "errors are JSON and say so": """
http GET /v2/
http GET /
http GET /v2/health
http GET /v2/health/live/
http GET /v2/models/plain/versions/2/ready
http GET /v2/models/plain/versions/x/ready
http GET /v2/models/nobody/ready
http GET /v2/models/plain/infer
http GET /v2/models/plain/nothing
http GET /v2/nothing
http PUT /v2/health/ready
http DELETE /v2/health/ready
http HEAD /v2/health/ready
http POST /v2/health/ready
http PUT infer
http json /v2/models/nobody/infer
http json /v2/models/plain/versions/2/infer
http json /v2/models/plain/versions//infer
http json /v2/models//infer
http json /v2/models/plain/infer/
http json /v2/models/plain/versions/-1/infer
http json /v2/models/plain/versions/99999999999999999999/infer
http binary header -1
http binary header 1180591620717411303424
http binary header 112
http coding 'br' 80
http FP16 binary to JSON
http BYTES binary short
http pair rows differ
""",
    "health answers have a body of JSON": """
http GET /v2/health/live
http GET /v2/health/ready
http GET /v2/models/plain/ready
http GET /v2/models/plain/versions/1/ready
""",
    "binary_data_output is the default of named outputs too, as the extension says": """
http json binary all but z
""",
    "Triton ends its process": """
http json shape=[4294967297, 2]
""",
    "answered here, refused there": """
http json /v2/models/pl%61in/infer
http coding '' 80
""",
    "an empty raw request is answered as raw requests are, in binary": """
http raw empty
""",
    "refused here, answered there": """
http strings nul
""",
}
