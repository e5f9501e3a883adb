<?php
// What scripts throw: the classes of the reference, with the order of arguments that they have there.

namespace DreamFactory\Core\Exceptions {
    use DreamFactory\Core\Enums\ErrorCodes;
    use DreamFactory\Core\Enums\HttpStatusCodes;

    class DfException extends \Exception
    {
        protected $context;

        /** Another exception as the only argument gives its message and its code. */
        public function __construct($message = null, $code = null, $previous = null, $context = null)
        {
            if ($message instanceof \Throwable && $code === null) {
                [$message, $code, $previous] = [$message->getMessage(), $message->getCode(), $message->getPrevious()];
            }
            $this->context = $context;
            parent::__construct((string)$message, (int)$code, $previous);
        }

        public function getContext()
        {
            return $this->context;
        }

        public function setContext($context)
        {
            $this->context = $context;
            return $this;
        }

        /** As it stands in the body of an error. */
        public function toArray()
        {
            return ['code' => $this->getCode(), 'context' => $this->getContext(), 'message' => $this->getMessage()];
        }
    }

    class DfServiceException extends DfException {}

    class RestException extends DfServiceException
    {
        protected $statusCode;

        public function __construct($status, $message = null, $code = null, $previous = null, $context = null)
        {
            $this->statusCode = $status;
            parent::__construct($message ?? HttpStatusCodes::text($status), $code ?: $status, $previous, $context);
        }

        public function getStatusCode()
        {
            return $this->statusCode;
        }

        public function setStatusCode($status)
        {
            $this->statusCode = $status;
            return $this;
        }

        public function toArray()
        {
            return parent::toArray() + ['status_code' => $this->getStatusCode()];
        }
    }

    /** A RestException whose status is its class's. */
    abstract class FixedStatus extends RestException
    {
        protected const STATUS = 500;

        public function __construct($message = null, $code = null, $previous = null, $context = null)
        {
            parent::__construct(static::STATUS, $message, $code, $previous, $context);
        }
    }

    class BadRequestException extends FixedStatus { protected const STATUS = 400; }
    class UnauthorizedException extends FixedStatus { protected const STATUS = 401; }
    class ForbiddenException extends FixedStatus { protected const STATUS = 403; }
    class NotFoundException extends FixedStatus { protected const STATUS = 404; }
    class ConflictResourceException extends FixedStatus { protected const STATUS = 409; }
    class TooManyRequestsException extends FixedStatus { protected const STATUS = 429; }
    class InternalServerErrorException extends FixedStatus { protected const STATUS = 500; }
    class NotImplementedException extends FixedStatus { protected const STATUS = 501; }
    class ServiceUnavailableException extends FixedStatus { protected const STATUS = 503; }

    class InvalidJsonException extends BadRequestException
    {
        public function __construct($message = null, $code = null, $previous = null, $context = null)
        {
            parent::__construct($message ?: 'Invalid or malformed JSON.', $code, $previous, $context);
        }
    }

    /** Some of several requests failed. Its context tells which, and what became of each. */
    class BatchException extends RestException
    {
        /** @param $responses for each request its result, or an exception; a text is taken for the message. */
        public function __construct($responses = null, $message = null, $code = null, $previous = null)
        {
            if (is_string($responses)) {
                [$responses, $message, $code] = [null, $responses, is_numeric($message) ? $message : $code];
            }
            parent::__construct(400, $message, $code ?: ErrorCodes::BATCH_ERROR, $previous, $responses);
        }

        public function getResponses()
        {
            return (array)$this->context;
        }

        public function pickResponse($index)
        {
            return $this->getResponses()[$index] ?? null;
        }

        public function toArray()
        {
            $failed = fn ($response) => $response instanceof \Throwable;
            $told = fn ($response) => match (true) {
                $response instanceof DfException => $response->toArray(),
                $failed($response) => ['code' => $response->getCode() ?: 500, 'message' => $response->getMessage()],
                default => $response,
            };
            $responses = $this->getResponses();
            $context = [
                'error' => array_keys(array_filter($responses, $failed)), 'resource' => array_map($told, $responses),
            ];
            return ['context' => $responses === [] ? null : $context] + parent::toArray();
        }
    }
}
?>
