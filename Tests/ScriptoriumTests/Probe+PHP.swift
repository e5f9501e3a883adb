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
        .prints(200, "bye", "exit('bye');"),
        .failsWith(500, mentioning: "stdClass", "return new \\stdClass;"),
        .failsWith(500, mentioning: "undefined_function_x", "undefined_function_x();"),
        .gives(200, #"{"ok":1}"#, "$a = []; $b = $a['missing']; return ['ok'=>1];"),
        .gives(200, "", "return $event;"),
        .gives(200, #"{"m":"GET","r":"x/y"}"#, "return ['m'=>$event['request']['method'],'r'=>$event['resource']];"),
        .fails(409, "c", "$event['exception']=['message'=>'c','status_code'=>409]; return;"),
        .failsWith(500, mentioning: "error code: 3", "exit(3);"),

        // The precedence: exception, then what is returned, then the response, then the event.
        .fails(500, "m", "$event['exception'] = 'm'; return ['a' => 1];"),
        .fails(
            403, "thrown", "$event['exception'] = new \\DreamFactory\\Core\\Exceptions\\ForbiddenException('thrown');"),
        .gives(200, #"{"a":1}"#, "$event['exception'] = []; return ['a' => 1];"),
        .gives(200, #"{"b":2}"#, "$event['response']['content'] = ['a' => 1]; return ['b' => 2];"),
        .gives(200, #"{"a":1}"#, "$event['response']['content'] = ['a' => 1]; return [];"),
        .gives(200, #"{"a":1}"#, "$event['response']['content'] = ['a' => 1]; return '0';"),
        .gives(201, "[]", "$event['response'] = ['status_code' => 201, 'content' => []];"),
        .gives(200, #"{"a":1}"#, "$copy = $event; $copy['response']['content'] = ['a' => 1]; return $copy;"),
        .gives(200, #"{"a":1}"#, "$event['response'] = ['a' => 1];"),
        .gives(200, "\"plain\"", "$event['response'] = 'plain';"),
        .gives(200, #"{"status_code":404}"#, "return ['status_code' => 404];"),
        .gives(404, "[1]", "return ['status_code' => '404', 'content' => [1]];"),
        .gives(200, "false", "$event['response']['content'] = false;"),
        .gives(200, #""x/y""#, "unset($event['response']); $event = ['response' => $event['resource']];"),
        .fails(500, "bad", "return ['error' => 'bad'];"),
        .fails(500, "deep", "return ['error' => ['message' => 'deep']];"),
        .fails(500, "Internal Server Error", "return ['error' => ['code' => 1]];"),
        .fails(500, "", "return ['error' => false, 'a' => 1];"),
        .gives(200, #"{"error":null}"#, "return ['error' => null];"),
        .gives(200, #"[null,true,":true,"]"#, "return [null, true, ':true,'];"),
        .gives(200, #"{"a":{},"b":[]}"#, "return ['a' => new \\stdClass, 'b' => []];"),
        .failsWith(500, mentioning: "JSON", "return ['n' => NAN];"),
        // Tags and lines.
        .gives(200, #"{"a":1}"#, "  <?PHP return ['a'=>1];"),
        .gives(200, #"{"line":3}"#, "<?php\n\nreturn ['line' => __LINE__];\n"),
        .gives(200, #"{"a":1}"#, "return ['a'=>1]; // ends here"),
        .gives(200, #"{"f":3}"#, "function three() { return 3; } class K { const V = 1; } return ['f' => three()];"),
        // What scripts throw.
        .fails(400, "m", "throw new \\DreamFactory\\Core\\Exceptions\\BadRequestException('m');", code: 400),
        .fails(401, "m", "throw new \\DreamFactory\\Core\\Exceptions\\UnauthorizedException('m');"),
        .fails(403, "m", "throw new \\DreamFactory\\Core\\Exceptions\\ForbiddenException('m');"),
        .fails(404, "m", "throw new \\DreamFactory\\Core\\Exceptions\\NotFoundException('m');"),
        .fails(404, "Not Found", "throw new \\DreamFactory\\Core\\Exceptions\\NotFoundException();"),
        .fails(409, "m", "throw new \\DreamFactory\\Core\\Exceptions\\ConflictResourceException('m');"),
        .fails(429, "m", "throw new \\DreamFactory\\Core\\Exceptions\\TooManyRequestsException('m');"),
        .fails(500, "m", "throw new \\DreamFactory\\Core\\Exceptions\\InternalServerErrorException('m');"),
        .fails(501, "m", "throw new \\DreamFactory\\Core\\Exceptions\\NotImplementedException('m');"),
        .fails(503, "m", "throw new \\DreamFactory\\Core\\Exceptions\\ServiceUnavailableException('m');"),
        .fails(400, "m", "throw new \\DreamFactory\\Core\\Exceptions\\InvalidJsonException('m');"),
        .fails(500, "m", "throw new \\DreamFactory\\Core\\Exceptions\\DfException('m');"),
        .fails(
            500, "inner",
            """
            $inner = new \\DreamFactory\\Core\\Exceptions\\BadRequestException('inner');
            throw new \\DreamFactory\\Core\\Exceptions\\DFException($inner);
            """, code: 400),
        .fails(418, "x", "throw new \\DreamFactory\\Core\\Exceptions\\RestException(418, 'x', 7);", code: 7),
        .fails(
            400, "some",
            "throw new \\DreamFactory\\Core\\Exceptions\\BatchException(['a', new \\Exception('e')], 'some');",
            code: 1000),
        .failsWith(500, mentioning: "by zero", "return 1 % 0;"),
        .failsWith(500, mentioning: "Undefined constant \"NOT_THERE\"", "return NOT_THERE;"),
        .failsWith(500, mentioning: "Class \"NotThere\" not found", "new NotThere();"),
        .failsWith(500, mentioning: "platform.api", "$c = curl_init('https://example.com'); return curl_exec($c);"),
        .gives(
            200, #"["GET",404,1,2]"#,
            """
            return [\\DreamFactory\\Core\\Enums\\Verbs::GET, \\DreamFactory\\Core\\Enums\\HttpStatusCodes::HTTP_NOT_FOUND,
                \\DreamFactory\\Core\\Enums\\VerbsMask::GET_MASK, \\DreamFactory\\Core\\Enums\\ServiceRequestorTypes::SCRIPT];
            """),
        // Output.
        Probe(script: "echo 'a'; print_r([1]); return 1;", status: 200, body: "1", logs: "aArray\n(\n    [0] => 1\n)"),
        Probe(
            script: "\\Log::info('said', ['n' => 1]); return 1;", status: 200, body: "1", logs: #"INFO: said {"n":1}"#),
        Probe(
            script: "dump(['a' => [true, null]]); return 1;", status: 200, body: "1",
            logs: "array:1 [\n  \"a\" => array:2 [\n    0 => true\n    1 => null\n  ]\n]"),
        Probe(
            script: "$none = []; $x = $none['k']; return 1;", status: 200, body: "1",
            logs: "Warning: Undefined array key \"k\" (service.NAME:1)"),
        Probe(
            script: #"echo '{"returned":{"fake":1}}'; return 1;"#, status: 200, body: "1",
            logs: #"{"returned":{"fake":1}}"#),
        .prints(200, "hello ", "echo 'hello '; die;"),
        .prints(404, "gone", "header('HTTP/1.1 404 Not Found'); exit('gone');"),
        .prints(500, "<pre>&quot;POST &lt;b&gt;&quot;</pre>\n", "dd('POST <b>');"),
        Probe(
            script: "header('X-Powered-By: me'); header('X-Gone: 1'); header_remove('x-gone'); return ['a' => 1];",
            status: 200, body: #"{"a":1}"#, header: (name: "X-Powered-By", value: "me")),
        Probe(
            script: "header('Location: /elsewhere'); exit;", status: 302, body: "", isPrinted: true,
            header: (name: "Location", value: "/elsewhere")),
        .gives(200, "", "exit;"),
        .gives(200, "", "exit(0);"),
        // The environment and the platform.
        .gives(200, #"[null,"d","made"]"#, "return [env('PATH'), env('SECRET_KEY', 'd'), env('X', fn () => 'made')];"),
        .gives(
            200, "[true,true,true,false,\"2.0\",\"2.0\"]",
            """
            return [isset($platform['api']), isset($platform->api->get), isset($platform['session']), isset($platform['none']),
                $platform['config']['api_version'], $platform->config['df']['api_version'] ?? null];
            """),
        .gives(
            200, #"[{},{"x":"ok"}]"#,
            "$platform['x'] = 'ok'; $p = json_decode(json_encode($platform));"
                + " return [$p->api, ['x' => $platform->x]];"),
        .gives(
            200, "[404,404,404,404,404,404]",
            """
            $api = $platform['api']; $get = $api->get; $options = ['parameters' => ['a' => 'b c']];
            return array_column([$api->get('none'), $api->get->__invoke('none', null, $options), $get('none/x?y=1'),
                $platform->api->get('none'), $api->call('GET', 'none', null, []), ($platform['api']->post)('none', ['a' => 1])],
                'status_code');
            """),
        .gives(
            200, #"["service","service.NAME","NAME.x.y.get"]"#,
            "return [$event['_event']['stage'], $event['_event']['script_name'], $event['name']];"),
        .gives(
            200, #"[true,true]"#,
            "return [$event['request']['payload'] === [], isset($event['request']['headers']['accept'])];"),
    ]
}
