<?php
// Greets whoever is named: POST {"name": "Ada"} or ?name=Ada
$name = $event['request']['payload']['name'] ?? $event['request']['parameters']['name'] ?? 'world';

echo "greeting $name";

return ['success' => true, 'message' => "Hello, $name!"];
