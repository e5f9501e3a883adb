extension Probe {
    static let php: [Probe] = [
        .gives(200, "", ""),
        .gives(200, #"{"a":1}"#, "<?php return ['a'=>1]; ?>"),
        .gives(200, #"{"a":1}"#, "return ['a'=>1];"),
        .gives(200, "\"{\\\"a\\\":1}\"", "return json_encode(['a'=>1]);"),
        .gives(200, "", "return 0;"),
        .gives(200, "", "return [];"),
        .gives(200, "5", "return 5;"),
        .fails(500, "boom", "throw new \\Exception('boom',42);", code: 42),
        .fails(400, "m", "throw new \\DreamFactory\\Core\\Exceptions\\BadRequestException('m',9);", code: 9),
        .fails(418, "x", "throw new \\DreamFactory\\Core\\Exceptions\\RestException(418,'x');"),
        .gives(
            400, #"{"success":false}"#,
            "$event['response']=['status_code'=>400,'content'=>['success'=>false]]; return;"),
        Probe(script: "echo 'h'; return ['ok'=>1];", status: 200, body: #"{"ok":1}"#, logs: "h"),
        .gives(200, "bye", "exit('bye');"),
        .failsWith(500, mentioning: "stdClass", "return new \\stdClass;"),
        .failsWith(500, mentioning: "undefined_function_x", "undefined_function_x();"),
        .gives(200, #"{"ok":1}"#, "$a = []; $b = $a['missing']; return ['ok'=>1];"),
        .gives(200, "", "return $event;"),
        .gives(200, #"{"m":"GET","r":"x/y"}"#, "return ['m'=>$event['request']['method'],'r'=>$event['resource']];"),
        .fails(409, "c", "$event['exception']=['message'=>'c','status_code'=>409]; return;"),
        .failsWith(500, mentioning: "error code: 3", "exit(3);"),
    ]
}
