<?php
// What scripts throw.

namespace DreamFactory\Core\Exceptions {
    class DfException extends \Exception
    {
        public function __construct($message = '', $code = 0, $previous = null, protected $context = null)
        {
            parent::__construct((string)$message, (int)$code, $previous);
        }

        public function getContext()
        {
            return $this->context;
        }

        public function setContext($context)
        {
            $this->context = $context;
        }
    }

    class RestException extends DfException
    {
        public function __construct(
            protected $statusCode = 500, $message = '', $code = 0, $previous = null, $context = null
        ) {
            parent::__construct($message, $code ?: $statusCode, $previous, $context);
        }

        public function getStatusCode()
        {
            return $this->statusCode;
        }
    }

    /** A RestException whose status is its class's. */
    abstract class FixedStatus extends RestException
    {
        protected const STATUS = 500;
        protected const CODE = 0;

        public function __construct($message = '', $code = 0, $previous = null, $context = null)
        {
            parent::__construct(static::STATUS, $message, $code ?: static::CODE, $previous, $context);
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
    class InvalidJsonException extends FixedStatus { protected const STATUS = 400; }
    class BatchException extends FixedStatus { protected const STATUS = 400; protected const CODE = 1000; }
}
?>
